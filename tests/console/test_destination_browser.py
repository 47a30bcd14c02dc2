"""All pages of a destination in a browser: narrow and wide, light and dark, for who may change things and who may not."""

import itertools
import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from jetbridge.control.people import Role
from jetbridge.delivery.models import Outcome

from .conftest import Served, new_user, session_of

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
TABS = (
    "",
    "?as=table",
    "event-delivery/",
    "event-delivery/failed/INVALID_EMAIL",
    "event-delivery/filtered/UNSUPPORTED_EVENT_TYPE",
    "event-delivery/retry",
    "mailjet/mapping/?preview=1",
    "filters/",
    "tester/?tested=1",
    "contacts/",
    "contacts/?q=ada@example.com",
    "contacts/?q=u-3",
    "sync/",
    "settings/",
)
OF_EDITORS = ("filters/edit", "contacts/forget?person=u-1")
#: Names of everything that changes something.
CHANGING = re.compile(
    "Disable|Enable|Try now|Retry|Save|Set|Test|Send|Forget|Add|Switch|Remove|Verify|Preview|Replay|Repair"
)
FILTER = {"name": "No staff", "if": "traits.staff = true"}


@pytest.fixture
def path(served: Served, eventually: Any) -> str:
    """Of a destination with a contact, a failure, a filter, and a call that it does not take."""
    row = served.joined.to_mailjet
    row.settings["filters"] = json.dumps([FILTER])
    row.save()
    send(
        served,
        {"type": "identify", "userId": "u-1", "traits": {"email": "ada@example.com", "plan": "pro"}},
        {"type": "identify", "userId": "u-3", "traits": {"email": "no address"}},
        {"type": "track", "userId": "u-1", "event": "Order Completed"},
    )
    outcomes = Outcome.objects.filter(destination_id=row.id, outcome__in=("delivered", "failed", "filtered"))
    eventually(lambda: outcomes.exclude(total=0).count() == 3, "each has its outcome")
    return f"destinations/{row.id}/"


def send(served: Served, *calls: dict[str, Any]) -> None:
    body = json.dumps({"writeKey": served.joined.http_source.current_key, "batch": calls}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{served.url}/v1/batch", body)).close()


def log_in_as(served: Served, role: Role) -> None:
    user = new_user(role.value, (served.workspace, role))
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session_of(user), "url": served.url}
    served.page.context.clear_cookies()
    served.page.context.add_cookies([cookie])


def test_every_tab_is_accessible_and_fits_a_telephone(
    served: Served, path: str, accessible: Callable[[Page], None]
) -> None:
    looks = itertools.cycle([("light", NARROW), ("dark", WIDE)])
    for tab, (scheme, size) in zip((*TABS, *OF_EDITORS), looks, strict=False):
        page = served.page
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size(NARROW)
        served.open(path + tab)
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"], tab
        page.set_viewport_size(size)
        accessible(page)


def test_a_viewer_sees_everything_and_can_change_nothing(served: Served, path: str) -> None:
    log_in_as(served, Role.VIEWER)
    for tab in TABS:
        page = served.open(path + tab)
        expect(page.get_by_role("heading", level=1)).to_have_text(served.joined.to_mailjet.name)
        main = page.get_by_role("main")
        expect(main.get_by_role("button", name=CHANGING)).to_have_count(0)
        expect(
            main.locator("form[method=post] :is(input, textarea):not([readonly], [type=hidden])")
        ).to_have_count(0)
    for tab in OF_EDITORS:
        assert "this needs the role editor" in served.open(path + tab).content()


def test_figures_and_reasons_renew_themselves_until_they_are_paused(served: Served, path: str) -> None:
    page = served.open(path)
    received = page.locator(".stat", has_text="Received").locator("dd").first
    expect(received).to_have_text("3")
    reasons = page.context.new_page()
    reasons.goto(f"{served.url}/w/{served.workspace.id}/{path}event-delivery/")
    send(served, {"type": "identify", "userId": "u-4", "traits": {"email": "no address either"}})
    expect(received).to_have_text("4", timeout=20_000)
    expect(reasons.get_by_role("region", name="Failed")).to_contain_text("no address either", timeout=20_000)
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    expect(page.locator("#figures")).not_to_have_attribute("hx-get", re.compile("."))


def test_the_keyboard_comes_to_the_content_and_through_the_tabs(served: Served, path: str) -> None:
    page = served.open(path)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    met = []
    for _ in range(12):
        page.keyboard.press("Tab")
        met.append(page.evaluate("document.activeElement.innerText.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"the focus on {met[-1]} is not seen"
    tabs = [
        "Overview",
        "Event Delivery",
        "Mapping",
        "Filters",
        "Event Tester",
        "Contacts",
        "Sync",
        "Settings",
    ]
    assert [each for each in met if each in tabs] == tabs


def test_the_list_of_destinations_is_live(served: Served) -> None:
    page = served.open("destinations/")
    row = served.joined.to_mailjet
    line = page.get_by_role("listitem").filter(has_text=row.name)
    expect(line).to_contain_text("running")
    row.enabled = False
    row.save()
    expect(line).to_contain_text("disabled")
