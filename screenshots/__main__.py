"""`python -m screenshots [PAGE ...]`: every page of the console, light and dark, narrow and wide, with a day's data.

The pages are those of the URL patterns; what answers with a part of a page, a redirect or a stream is left out.
Pictures go to .jetbridge/screenshots/, named PAGE-WIDTH-THEME.png.
"""

import os
import sys
import time
from pathlib import Path

from jetbridge.demo.processes import Processes
from screenshots.browser import Camera
from screenshots.filled import filled

FOLDER = Path(".jetbridge/screenshots")


def main() -> None:
    wanted = set(sys.argv[1:])
    with Processes() as processes:
        print("Filling a workspace ...", flush=True)
        shop = filled(processes)
        os.environ |= {"JETBRIDGE_HOME": str(processes.home)}
        from screenshots.pages import pages  # noqa: PLC0415 - Django reads the environment when it is loaded

        found = [page for page in pages() if not wanted or page.name in wanted]
        FOLDER.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with Camera(shop, FOLDER) as camera:
            for number, page in enumerate(found, 1):
                taken = camera.take(page)
                print(f"{number:3}/{len(found)}  {page.name:<32} {taken}", flush=True)
        print(f"{time.monotonic() - started:.0f} s. The pictures are in {FOLDER}/")


if __name__ == "__main__":
    main()
