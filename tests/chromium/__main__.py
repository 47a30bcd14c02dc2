import sys

from tests.chromium import HELP, find, install

path = find() or install()
if path is None:
    sys.exit(HELP)
sys.stdout.write(f"{path}\n")
