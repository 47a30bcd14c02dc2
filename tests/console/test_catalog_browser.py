"""The seed's story in a browser: the tile, the slide-out, key and list, Save, Enable, and a contact arrives."""

import base64
import json
import re
import urllib.request
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.services import new_destinations


def identify(served: Any, user: str = "u1", **traits: Any) -> None:
    key = base64.b64encode(f"{served.joined.http_source.current_key}:".encode()).decode()
    body = json.dumps({"userId": user, "traits": traits}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {key}"}
    urllib.request.urlopen(urllib.request.Request(f"{served.url}/v1/identify", body, headers), timeout=60)


def contact(served: Any, email: str) -> dict[str, Any] | None:
    """Properties at Mailjet; None if there is no such contact."""
    token = base64.b64encode(b"public:private").decode()
    request = urllib.request.Request(
        f"{served.sandbox_url}/v3/REST/contactdata/{email}", headers={"Authorization": f"Basic {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            rows = json.load(answer)["Data"][0]["Data"]
    except urllib.error.HTTPError:
        return None
    return {row["Name"]: row["Value"] for row in rows}


@pytest.fixture
def catalog(served: Any) -> Page:
    """The catalogue of a workspace whose destinations have not been set up yet."""
    served.workspace.destinations.all().delete()
    page: Page = served.open("destinations/")
    page.get_by_role("link", name="Open the catalogue").click()
    expect(page.get_by_role("link", name="Mailjet", exact=True)).to_be_visible()
    return page


def test_from_the_tile_to_the_contact(
    served: Any, catalog: Page, eventually: Any, accessible: Callable[[Page], None]
) -> None:
    page = catalog
    accessible(page)
    page.get_by_role("searchbox").fill("mailjet")
    expect(page.get_by_role("link", name="Segment", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Mailjet", exact=True).click()
    dialog = page.get_by_role("dialog", name="Add Mailjet")
    dialog.get_by_label("App connection").select_option("")
    dialog.get_by_label("Authentication key").fill(served.joined.connection.authentication_key)
    expect(dialog.get_by_text("Its app connection is for list")).to_be_visible()
    dialog.get_by_label("List ID").fill("1")
    expect(dialog.get_by_text("Key and list don't match.")).to_be_visible()
    accessible(page)
    dialog.get_by_role("button", name=f"Use {served.joined.connection.list_id}").click()
    means = f"Mailjet account public, list {served.joined.connection.list_id} Customers, 0 subscribers."
    expect(dialog.get_by_text(means)).to_be_visible()
    dialog.get_by_text("Filters", exact=True).click()
    dialog.get_by_label("Name of the filter").fill("No staff")
    dialog.get_by_label("Field 1").fill("traits.staff")
    dialog.get_by_label("Operator 1").select_option("is true")
    dialog.get_by_role("button", name="Add condition").click()
    expect(dialog.get_by_label("Field 2")).to_be_visible()
    expect(dialog.get_by_label("Authentication key")).not_to_have_value("")  # adding a row loses nothing
    accessible(page)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Mailjet", level=1)).to_be_visible()
    expect(page.get_by_text("Disabled. Nothing is delivered.")).to_be_visible()
    identify(served, "u0", email="bob@example.com", staff=True)
    identify(served, email="ada@example.com", plan="pro")
    page.get_by_role("button", name="Enable destination").click()
    expect(page.get_by_text(" is enabled.")).to_be_visible()
    # What came after Save waited, and arrives.
    eventually(lambda: contact(served, "ada@example.com") == {"plan": "pro"}, "the contact is at Mailjet")
    assert contact(served, "bob@example.com") is None
    expect(page.locator(".badge", has_text="running")).to_be_visible()
    accessible(page)


def test_one_of_several_app_connections_is_one_choice(
    served: Any, catalog: Page, accessible: Callable[[Page], None]
) -> None:
    """Key and list are taken from it, and the key reaches no page."""
    other = accounts.connect_list(served.joined.account, 99, "Newsletter")
    page = catalog
    page.get_by_role("link", name="Mailjet", exact=True).click()
    dialog = page.get_by_role("dialog")
    choice = dialog.get_by_label("App connection")
    expect(choice.locator("option")).to_have_count(3)
    expect(dialog.get_by_label("Authentication key")).to_be_hidden()
    expect(dialog.get_by_text("list 38001 Customers")).to_be_visible()
    accessible(page)
    choice.select_option("")
    expect(dialog.get_by_label("Authentication key")).to_be_visible()
    choice.select_option(label="Customers (List ID 38001), Mailjet public")
    for connection in (other, served.joined.connection):
        assert connection.authentication_key not in page.content()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Mailjet", level=1)).to_be_visible()
    row = served.workspace.destinations.get()
    assert row.settings["listId"] == "38001"
    assert json.loads(row.secrets) == {"apiKey": served.joined.connection.authentication_key}


def test_what_was_typed_survives_a_mistake(catalog: Page, served: Any) -> None:
    page = catalog
    page.get_by_role("link", name="Mailjet", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("App connection").select_option("")
    dialog.get_by_label("Authentication key").fill(served.joined.connection.authentication_key)
    dialog.get_by_label("List ID").fill("1")
    dialog.get_by_role("button", name="Save", exact=True).click()
    dialog.get_by_role("button", name="Save anyway").click()
    expect(page.get_by_role("heading", name="Mailjet", level=1)).to_be_visible()
    assert served.workspace.destinations.get().settings["listId"] == "1"


def test_the_slide_out_closes_by_keyboard_and_gives_the_focus_back(catalog: Page) -> None:
    tile = catalog.get_by_role("link", name="Mailjet", exact=True)
    tile.focus()
    catalog.keyboard.press("Enter")
    expect(catalog.get_by_role("dialog")).to_be_visible()
    catalog.keyboard.press("Escape")
    expect(catalog.get_by_role("dialog")).to_be_hidden()
    expect(tile).to_be_focused()


def test_without_javascript_the_slide_out_is_a_page(served: Any, chromium: Any) -> None:
    served.workspace.destinations.all().delete()
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies(served.page.context.cookies())
    page = context.new_page()
    page.goto(f"{served.url}/w/{served.workspace.id}/destinations/catalog/")
    page.get_by_role("link", name="Mailjet", exact=True).click()
    expect(page).to_have_url(re.compile("/catalog/mailjet/$"))
    expect(page.get_by_label("App connection")).to_have_value(str(served.joined.connection.id))
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Enable destination").click()
    expect(page.locator(".badge", has_text="running")).to_be_visible()
    context.close()


def test_a_mapping_row_is_edited_with_a_live_preview(
    served: Any, eventually: Any, accessible: Callable[[Page], None]
) -> None:
    identify(served, email="ada@example.com", firstName="Ada")
    at_rest = Contact.objects.filter(account_id=served.joined.account.id, next_attempt_at=None)
    eventually(at_rest.exists, "the first contact is told")
    row = served.joined.to_mailjet
    page: Page = served.open(f"destinations/{row.id}/mailjet/mapping/")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("unchanged: Mailjet has it already")
    page.get_by_label("Property of firstName").fill("given_name")
    expect(preview).to_contain_text("given_name")
    accessible(page)
    page.get_by_role("switch", name="Send firstName").click()
    expect(preview).to_contain_text("the mapping blocks it")
    page.get_by_role("switch", name="Send firstName").click()
    page.get_by_role("button", name="Save mapping").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    row.refresh_from_db()
    assert row.settings["mapping"] == "firstName = given_name"

    def arrives() -> bool:
        """The worker takes a new mapping up within a second; what it has read before went the old way."""
        identify(served, "u2", email="bob@example.com", firstName="Bob")
        return (contact(served, "bob@example.com") or {}).get("given_name") == "Bob"

    eventually(arrives, "a contact under the new mapping")


def test_a_filter_is_tried_saved_and_drops(
    served: Any, eventually: Any, accessible: Callable[[Page], None]
) -> None:
    identify(served, email="ada@example.com", staff=True)
    row = served.joined.to_mailjet
    page: Page = served.open(f"destinations/{row.id}/filters/")
    page.get_by_role("link", name="Add filter").click()
    dialog = page.get_by_role("dialog", name="Add filter")
    dialog.get_by_label("Name").fill("No staff")
    dialog.get_by_label("Field 1").fill("traits.staff")
    dialog.get_by_label("Operator 1").select_option("is true")
    expect(dialog.get_by_text("it drops all")).to_be_visible()
    dialog.get_by_role("button", name="Add condition").click()
    expect(dialog.get_by_label("Field 2")).to_be_visible()
    dialog.get_by_label("Remove condition 2").click()
    expect(dialog.get_by_label("Field 2")).to_have_count(0)
    accessible(page)
    dialog.get_by_role("button", name="Write an expression instead").click()
    expect(dialog.get_by_label("Expression")).to_have_value("traits.staff = true")
    dialog.get_by_label("Expression").fill("traits.staff == true")
    expect(dialog.get_by_text("Line 1, column 15: expected a field")).to_be_visible()
    expect(dialog.locator(".marked mark")).to_have_text("=")
    accessible(page)
    dialog.get_by_label("Expression").fill("length(traits.email) > 9")
    expect(dialog.get_by_label("Properties")).to_be_hidden()
    dialog.get_by_label("What to do").select_option("Take properties away")
    dialog.get_by_label("Properties").fill("traits.staff")
    expect(dialog.get_by_text("it changes 1")).to_be_visible()
    expect(dialog.get_by_text("without traits.staff")).to_be_visible()
    accessible(page)
    dialog.get_by_role("button", name="Save filter").click()
    expect(page.get_by_role("heading", name="No staff")).to_be_visible()
    expect(page.get_by_text("length(traits.email) > 9", exact=True)).to_be_visible()
    accessible(page)


def test_a_call_is_tested_and_really_sent_only_when_confirmed(
    served: Any, eventually: Any, accessible: Callable[[Page], None]
) -> None:
    row = served.joined.to_mailjet
    page: Page = served.open(f"destinations/{row.id}/tester/")
    call = {"type": "identify", "userId": "u9", "traits": {"email": "eve@example.com", "plan": "pro"}}
    page.get_by_label("Or paste one").fill(json.dumps(call))
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("/managecontact")).to_be_visible()
    accessible(page)
    assert contact(served, "eve@example.com") is None
    page.get_by_text("Send to Mailjet").first.click()
    page.get_by_label("Yes, send it").check()
    page.get_by_role("button", name="Send through").click()
    expect(page.locator("#statuses .badge").first).to_have_text("delivered")
    assert contact(served, "eve@example.com") == {"plan": "pro"}
    accessible(page)


def test_a_test_call_is_sent_and_its_response_shown(
    served: Any, receiver: Any, accessible: Callable[[Page], None]
) -> None:
    source = served.joined.http_source
    with closing(SqliteEventLog(settings.CONFIG.log_path)) as log:
        row = new_destinations.add(
            log, served.workspace, "webhook", "Tool", {"url": receiver.url}, sources=[source]
        )
    receiver.answer, receiver.status = b'{"error": "no such list"}', 422
    page: Page = served.open(f"destinations/{row.id}/tester/")
    call = {"type": "track", "event": "Order Completed", "userId": "u9", "properties": {"total": 12}}
    page.get_by_label("Or paste one").fill(json.dumps(call))
    page.get_by_role("button", name="Test", exact=True).click()
    page.get_by_role("button", name="Send a test call").click()
    result = page.locator("#test-call")
    expect(result.locator(".badge")).to_have_text("422")
    expect(result.get_by_text('{"error": "no such list"}')).to_be_visible()
    expect(result.get_by_text("In delivery the message would fail.")).to_be_visible()
    ((headers, body),) = receiver.posts
    assert (headers["jetbridge-test"], json.loads(body)["context"]["test"]) == ("true", True)
    accessible(page)
    receiver.status = 200
    page.get_by_role("button", name="Send a test call").click()
    expect(result.locator(".badge")).to_have_text("200")
