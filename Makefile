# Everything a developer runs. Each target installs what it needs into .venv; a second run is quick.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test check bench screenshots lock format clean

demo: $(INSTALLED)  ## the whole loop on this machine; make demo ARGS=--once ends by itself
	@$(BIN)/jetbridge demo $(ARGS)

test: $(INSTALLED) tests/clients/node_modules  ## every test; ARGS goes to pytest
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(INSTALLED)  ## style, types, import order
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@JETBRIDGE_HOME=.jetbridge/check $(BIN)/mypy  # its Django plugin loads the settings
	@$(BIN)/lint-imports

bench: $(INSTALLED)  ## the figures of docs/performance.md, measured here and now
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(INSTALLED)  ## every page of the console, light and dark, narrow and wide; ARGS: names of pages
	@$(BIN)/python -m screenshots $(ARGS)

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(INSTALLED)  ## pin every dependency, with hashes and without naming an index
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --no-header --extra demo --group dev pyproject.toml -o requirements.lock

$(INSTALLED): pyproject.toml requirements.lock
	@echo "Installing into .venv (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; assert sys.version_info >= (3, 11), "Jetbridge needs Python 3.11 or newer"'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

tests/clients/node_modules: tests/clients/package.json tests/clients/package-lock.json
	@command -v npm >/dev/null || { echo "make test needs Node.js 18+ with npm (Debian: apt-get install nodejs npm)"; exit 1; }
	@npm ci --prefix tests/clients --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf .venv tests/clients/node_modules
