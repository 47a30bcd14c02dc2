"""Takes the pictures: a Chromium that is logged in, one page after the other."""

import http.client
import os
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, sync_playwright
from tests.chromium import ARGUMENTS, HELP, find, install

from screenshots.filled import Filled

WIDTHS = {390: 844, 1440: 900}
THEMES = ("light", "dark")
#: Taller ones are cut off.
HEIGHT = 2_400


#: Pages as they are for who is not logged in.
OUTSIDE = {"login", "invitation", "password-forgotten", "password-new", "password-link-gone"}


class Page(NamedTuple):
    name: str
    path: str
    status: int = 200


class Camera:
    """A context manager: the browser runs in between."""

    def __init__(self, shop: Filled, folder: Path) -> None:
        self._shop, self._folder = shop, folder

    def __enter__(self) -> Self:
        path = find() or install()
        if not path:
            raise SystemExit(HELP)
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in this thread
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=path, args=[*ARGUMENTS, "--hide-scrollbars"]
        )
        self._outside = self._browser.new_context(reduced_motion="reduce")
        self._inside = self._browser.new_context(reduced_motion="reduce")
        self._log_in()
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def take(self, page: Page) -> str:
        """Four pictures; or why it is no page."""
        context = self._outside if page.name in OUTSIDE else self._inside
        if problem := self._is_no_page(context, page):
            return problem
        tab, too_wide = context.new_page(), ""
        try:
            for width, height in WIDTHS.items():
                tab.set_viewport_size({"width": width, "height": height})
                tab.goto(self._shop.url + page.path, wait_until="load")
                tab.wait_for_timeout(300)  # what is loaded by htmx
                for theme in THEMES:
                    tab.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                    tall = tab.evaluate("document.documentElement.scrollHeight")
                    wide = tab.evaluate("document.documentElement.scrollWidth")
                    tab.screenshot(
                        path=self._folder / f"{page.name}-{width}-{theme}.png",
                        full_page=True,
                        clip={"x": 0, "y": 0, "width": width, "height": min(tall, HEIGHT)},
                    )
                    if wide > width:
                        too_wide = f", {wide} wide at {width}"
        finally:
            tab.close()
        return f"4 pictures{too_wide}"

    def _log_in(self) -> None:
        tab = self._inside.new_page()
        tab.goto(f"{self._shop.url}/login")
        tab.get_by_label("Email").fill(self._shop.email)
        tab.get_by_label("Password").fill(self._shop.password)
        tab.get_by_role("button", name="Log in").click()
        tab.wait_for_url(lambda address: "/login" not in address)
        tab.close()

    def _is_no_page(self, context: BrowserContext, page: Page) -> str:
        """Looked at without the browser, which would wait for a stream's end."""
        cookies = "; ".join(f"{row['name']}={row['value']}" for row in context.cookies())
        connection = http.client.HTTPConnection(urlsplit(self._shop.url).netloc, timeout=20)
        try:
            connection.request("GET", page.path, headers={"Cookie": cookies})
            answer = connection.getresponse()
            kind = answer.headers.get_content_type()
            if answer.status != page.status or kind != "text/html":
                return f"no page: {answer.status} {kind}"
            return "" if b"</html>" in answer.read() else "a part of a page"
        finally:
            connection.close()
