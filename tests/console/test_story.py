"""The seed's whole story by the pages alone: from the first-run link to the contact at Mailjet, and back again.

Nothing is set up beforehand but an empty home and a Mailjet account with a list; nothing is looked up in the database.
What a person copies is copied, and what they paste is pasted.
"""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from jetbridge.integrations.mailjet.api.client import MailjetClient

pytestmark = pytest.mark.acceptance


@pytest.fixture
def page(serve: Any, browser: BrowserContext) -> Page:
    """The page that the printed link opens. The browser is the second: it goes before its live parts miss `serve`."""
    browser.grant_permissions(["clipboard-read", "clipboard-write"])
    (link,) = re.findall(r"Create yours here: (\S+)", serve.output())
    page = browser.new_page()
    page.goto(link)
    return page


def press(within: Page | Locator, name: str) -> None:
    within.get_by_role("button", name=name, exact=True).first.click()


def paste(field: Locator) -> None:
    expect(field).to_be_visible()
    field.focus()
    field.press("ControlOrMeta+v")
    expect(field).not_to_have_value("")


def next_step(page: Page, done: int, action: str) -> None:
    """Back to the checklist, which knows how far things are, and on to what it offers next."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Checklist").click()
    expect(page.get_by_text(f"{done} of 5 done")).to_be_visible()
    page.locator("#steps").get_by_role("link", name=action, exact=True).click()


def make_the_account(page: Page) -> None:
    page.get_by_label("Your name").fill("Nina")
    page.get_by_label("Email").fill("nina@example.com")
    page.get_by_label("Password").fill("short")
    page.get_by_label("Workspace").fill("Corner Shop")
    press(page, "Create account")
    expect(page.get_by_text("This password is too short.")).to_be_visible()
    page.get_by_label("Password").fill("a bridge of boats")
    press(page, "Create account")
    expect(page.get_by_role("heading", name="From Segment to Mailjet in five steps")).to_be_visible()


def add_a_source(page: Page) -> None:
    page.get_by_label("Name").fill("Shop backend")
    press(page, "Add source")
    expect(page.get_by_role("heading", name="Shop backend", level=1)).to_be_visible()


def add_the_mailjet_account(page: Page, sandbox: str) -> None:
    page.get_by_label("API key", exact=True).fill("public")
    page.get_by_label("Secret key").fill("wrong")
    page.get_by_label("API address").fill(sandbox)
    press(page, "Add account")
    expect(page.get_by_role("alert")).to_contain_text("Mailjet rejects the API key and secret key.")
    page.get_by_label("Secret key").fill("private")
    press(page, "Add account")
    expect(page.get_by_role("heading", name="Select a contact list")).to_be_visible()


def choose_the_list(page: Page, list_id: int) -> None:
    page.get_by_label("Contact list", exact=True).select_option("Customers (0 contacts)")
    expect(page.get_by_label("List ID", exact=True)).to_have_value(str(list_id))
    press(page, "Connect")
    expect(page.get_by_role("region", name="Customers")).to_be_visible()


def carry_key_and_list_to_the_tile(page: Page, list_id: int) -> None:
    """In two tabs, as people do: App Connections in one, the slide-out of the tile in the other."""
    other = page.context.new_page()
    other.goto(page.url.partition("/app-connections/")[0] + "/destinations/")
    other.get_by_role("link", name="Open the catalogue").click()
    other.get_by_role("searchbox").fill("mailjet")
    other.get_by_role("link", name="Mailjet", exact=True).click()
    dialog = other.get_by_role("dialog", name="Add Mailjet")
    dialog.get_by_label("App connection").select_option("")  # it would fill in both by itself
    press(page, "Reveal Authentication key")
    press(page, "Copy Authentication key")
    expect(page.get_by_text("Copied").first).to_be_visible()
    paste(dialog.get_by_label("Authentication key"))
    page.bring_to_front()
    press(page, "Copy List ID")
    expect(page.locator("#announcements")).to_have_text("Copied")
    paste(dialog.get_by_label("List ID"))
    expect(dialog.get_by_text(f"list {list_id} Customers, 0 subscribers.")).to_be_visible()
    press(dialog, "Save")
    expect(other.get_by_text("Disabled. Nothing is delivered.")).to_be_visible()
    other.close()


def send_what_the_source_shows(page: Page) -> None:
    """In Segment's own library."""
    page.get_by_text("Python", exact=True).click()
    code = page.locator("#snippet-python").inner_text()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def see_the_contact(page: Page, mailjet: MailjetClient) -> None:
    expect(page.get_by_role("heading", name="Segment and Mailjet are joined")).to_be_visible()
    page.get_by_role("link", name="See the contact").click()
    page.get_by_role("link", name="ada@example.com").click()
    expect(page.get_by_role("row", name="plan pro pro")).to_be_visible()
    ada = mailjet.contact("ada@example.com")
    assert ada is not None
    assert mailjet.contactdata(ada.id)["plan"] == "pro"


def see_the_message(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Sources").click()
    page.get_by_role("link", name="Shop backend").click()
    page.get_by_role("link", name="Debugger", exact=True).first.click()
    row = page.locator(".message", has_text="ada@example.com")
    expect(row.get_by_text("delivered")).to_be_visible()
    row.get_by_role("link").click()
    dialog = page.get_by_role("dialog", name="ada@example.com")
    expect(dialog.locator(".way")).to_contain_text("managecontact")
    page.keyboard.press("Escape")


def send_email_events(page: Page, segment: str, eventually: Any) -> None:
    """The switch of App Connections, with the write key of a source at Segment."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="App Connections").click()
    page.locator("main").get_by_role("link", name="Mailjet", exact=False).first.click()
    page.get_by_role("switch", name="Send email events to Segment").check()
    page.get_by_label("Write key").fill("their-write-key")
    page.get_by_label("Another address").check()
    page.get_by_label("Address of anything").fill(segment)
    page.get_by_role("region", name="Send email events to Segment").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Email events go to Segment")).to_be_visible()

    def are_ours() -> bool:
        page.reload()
        expect(page.locator("#callbacks li")).to_have_count(7)
        return page.locator("#callbacks").get_by_text("Connected", exact=True).count() == 7

    eventually(are_ours, "the worker has told Mailjet where to send events")


def see_the_track_call(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Sources").click()
    page.get_by_role("link", name="Mailjet events").click()
    page.get_by_role("link", name="Debugger", exact=True).first.click()
    row = page.locator(".message", has_text="Email Opened")
    expect(row).to_contain_text("user-1")
    expect(row.get_by_text("delivered")).to_be_visible()


def test_from_the_first_run_link_to_the_contact_and_the_events_back(
    page: Page, sandbox: str, receiver: Any, eventually: Any, accessible: Callable[[Page], None]
) -> None:
    mailjet = MailjetClient(sandbox, "public", "private")
    list_id = mailjet.create_contactslist("Customers").id
    make_the_account(page)
    next_step(page, 0, "Add source")
    add_a_source(page)
    next_step(page, 1, "Add account")
    add_the_mailjet_account(page, sandbox)
    next_step(page, 2, "Choose the list")
    choose_the_list(page, list_id)
    next_step(page, 2, "Copy the key")
    carry_key_and_list_to_the_tile(page, list_id)
    next_step(page, 2, "Enable")
    press(page, "Enable destination")
    expect(page.get_by_text(" is enabled.")).to_be_visible()
    next_step(page, 3, "Send a test")
    send_what_the_source_shows(page)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Checklist").click()
    see_the_contact(page, mailjet)
    see_the_message(page)
    accessible(page)

    receiver.answer = b'{"success": true}'  # as Segment says it
    send_email_events(page, receiver.url.removesuffix("/hook"), eventually)
    campaign = json.dumps({"list_id": list_id, "subject": "Spring news", "open": 1.0}).encode()
    urllib.request.urlopen(f"{sandbox}/sandbox/campaigns", campaign).close()
    see_the_track_call(page)
    told = [call for _, body in receiver.posts for call in json.loads(body)["batch"]]
    assert ("Email Opened", "user-1") in {(call["event"], call["userId"]) for call in told}
