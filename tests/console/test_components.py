"""The components of every page, in a browser: they work by keyboard, without JavaScript, narrow, light and dark."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Page, expect

from jetbridge.control.models import AppConnection
from jetbridge.control.people import User

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}


def test_every_component_is_accessible_and_fits_a_telephone(
    served: Any, accessible: Callable[[Page], None]
) -> None:
    page = served.page
    for path in ("/styleguide", f"/w/{served.workspace.id}/settings/profile/", "/nothing-here"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size(WIDE)
            page.goto(served.url + path)
            accessible(page)
            page.set_viewport_size(NARROW)
            accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"], path


def test_names_that_are_long_and_have_no_spaces_widen_no_page(served: Any) -> None:
    long = "W" * 180
    account, source = served.joined.account, served.joined.http_source
    for row in (served.workspace, account, source):
        type(row).objects.filter(id=row.id).update(name=long)
    User.objects.update(name=long)
    AppConnection.objects.update(list_name=long)
    paths = [
        "sources/",
        f"sources/{source.id}/",
        "app-connections/",
        f"app-connections/{account.id}/",
        f"app-connections/{account.id}/remove",
        "destinations/catalog/mailjet/",
        "settings/people/",
        "settings/workspace/",
        "settings/invitations/",
    ]
    for size in (NARROW, WIDE):
        served.page.set_viewport_size(size)
        widths = {path: served.open(path).evaluate("document.documentElement.scrollWidth") for path in paths}
        assert widths == dict.fromkeys(paths, size["width"])


def test_a_slide_out_opens_and_closes_by_keyboard_and_a_value_is_copied(
    served: Any, accessible: Callable[[Page], None]
) -> None:
    page = served.page
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{served.url}/styleguide")
    link = page.get_by_role("link", name="Open the slide-out")
    link.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Settings")
    expect(dialog).to_be_visible()
    accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    link.click()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy List ID").click()
    expect(page.locator("#announcements")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "10234"


def test_a_theme_that_was_chosen_stays_and_the_first_tab_skips_to_the_content(served: Any) -> None:
    page = served.open("checklist/")
    page.get_by_label("Account of Olga").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.get_by_label("Account of Olga").click()
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()

    page.reload()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_the_menu_and_the_login_work_without_javascript(served: Any, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport=NARROW)
    page = context.new_page()
    page.goto(f"{served.url}/w/{served.workspace.id}/checklist/")
    page.get_by_label("Email").fill("olga@example.com")
    page.get_by_label("Password").fill("a bridge of boats")
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Menu").click()
    page.get_by_role("link", name="App Connections").click()
    expect(page.get_by_role("heading", name="App Connections", level=1)).to_be_visible()
    context.close()


LIVE = """address => {
  const html = `<div id="feed" data-live="${address}" data-live-target="#rows" data-live-limit="3"></div>
    <ol id="rows"></ol><button data-live-pause="#feed">Pause</button><span data-live-waiting="#feed"></span>`;
  document.querySelector("main").insertAdjacentHTML("beforeend", html);
  document.dispatchEvent(new CustomEvent("htmx:load", {detail: {elt: document.body}}));
}"""


def test_a_live_part_shows_the_newest_first_and_keeps_a_few(served: Any) -> None:
    page = served.open("checklist/")
    body = "".join(f"data: <li>{number}</li>\n\n" for number in range(5)) + "event: end\ndata: .\n\n"
    page.route("**/feed", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    page.evaluate(LIVE, f"{served.url}/feed")
    expect(page.locator("#rows li")).to_have_text(["4", "3", "2"])
    expect(page.locator("#feed")).to_have_attribute("data-live-state", "ended")
