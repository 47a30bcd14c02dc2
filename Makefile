# Everything a developer runs. Each target installs what it needs into .venv; a second run is quick.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Folders of what the tests need from npm.
CLIENTS := tests/clients packages/mailjet-sandbox/tests/clients

.PHONY: demo test fuzz check bench screenshots structure lock format clean

demo: $(INSTALLED)  ## the whole loop on this machine; make demo ARGS=--once ends by itself
	@$(BIN)/jetbridge demo $(ARGS)

# Four at once on two cores: the tests of processes wait half of their time.
test: $(INSTALLED) $(CLIENTS:=/node_modules)  ## every test; ARGS goes to pytest
	@chromium=$$($(BIN)/python -m tests.chromium) && CHROMIUM="$$chromium" $(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

fuzz: $(INSTALLED)  ## the fuzzers alone: 10^6 cases of each pure function, 10^4 over sockets, of pages and with a database
	@FUZZ=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m fuzz --timeout 0 $(ARGS)

check: $(INSTALLED)  ## style of code and templates, types, import order
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/djlint --lint --quiet src/jetbridge
	@JETBRIDGE_HOME=.jetbridge/check $(BIN)/mypy  # its Django plugin loads the settings
	@$(BIN)/lint-imports

bench: $(INSTALLED)  ## the figures of docs/performance.md, measured here and now
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(INSTALLED)  ## every page of the console, light and dark, narrow and wide; ARGS: names of pages
	@$(BIN)/python -m screenshots $(ARGS)

structure: $(INSTALLED)  ## how the code is built, in figures; ARGS=--quick starts no process, --chain --words --files name what is counted
	@$(BIN)/python -m structure $(ARGS)

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(INSTALLED)  ## pin every dependency, with hashes and without naming an index
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-emit-package mailjet-sandbox --no-annotate --no-header --extra demo --group dev \
		--group packages/mailjet-sandbox/pyproject.toml:test pyproject.toml -o requirements.lock

$(INSTALLED): pyproject.toml packages/mailjet-sandbox/pyproject.toml requirements.lock
	@echo "Installing into .venv (once) ..."
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and \
		f"Jetbridge needs Python 3.11 or newer, and $(PYTHON) is {v}: name another one, as in make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		-e packages/mailjet-sandbox -e .
	@touch $@

%/node_modules: $(INSTALLED) %/package.json %/package-lock.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $* --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf .venv .jetbridge/chromium $(CLIENTS:=/node_modules) tests/chromium/node_modules
