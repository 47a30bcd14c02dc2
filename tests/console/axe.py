"""A page looked at with axe-core, once it has settled."""

from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Page

CLIENTS = Path(__file__).parents[1] / "clients"
#: Nothing is being loaded, and nothing is in the middle of an animation.
SETTLED = """() => !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")
  && document.getAnimations().every(
    each => each.playState !== "running" || each.effect.getComputedTiming().progress === null)"""

LOOK = 'tags => axe.run({runOnly: tags, resultTypes: ["violations"]})'


def check(page: Page) -> None:
    # A panel that is still fading in has no contrast to speak of.
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_function(SETTLED)
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(_axe())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate(LOOK, tags)["violations"]
    lines = [
        f"{row['id']}: {row['help']}\n  " + "\n  ".join(node["html"][:200] for node in row["nodes"])
        for row in found
    ]
    if lines:
        pytest.fail(f"{page.url} has violations:\n" + "\n".join(lines))


@cache
def _axe() -> str:
    path = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        pytest.fail("axe-core is not there: run `make test`, or npm ci in tests/clients.")
    return path.read_text()
