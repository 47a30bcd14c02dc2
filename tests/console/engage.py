"""What tests of Engage's pages share."""

import re
from html.parser import HTMLParser
from typing import Any


class Fields(HTMLParser):
    """What a browser would send of the forms of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        attributes = dict(attrs)
        name, value = attributes.get("name"), attributes.get("value") or ""
        if tag == "select":
            self._select = name or ""
        elif tag == "option" and self._select and (self._select not in self.sent or "selected" in attributes):
            self.sent[self._select] = value
        elif tag == "input" and name:
            is_box = attributes.get("type") in {"checkbox", "radio"}
            if not is_box or "checked" in attributes:
                self.sent[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""


def visible_text(html: str) -> str:
    """What a person reads of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())
