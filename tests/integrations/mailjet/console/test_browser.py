"""The seed's story of App Connections, in a browser before a running Jetbridge and the sandbox."""

from typing import Any

from playwright.sync_api import Page, expect

from jetbridge.control.models import AppConnection
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def add_account(page: Page, sandbox: str) -> None:
    """With a wrong secret key first. In a slide-out."""
    page.get_by_role("link", name="Add account").click()
    slide_out = page.get_by_role("dialog")
    slide_out.get_by_label("API key", exact=True).fill("second")
    slide_out.get_by_label("Secret key").fill("wrong")
    slide_out.get_by_label("API address").fill(sandbox)
    button(slide_out, "Add account").click()
    expect(page.get_by_role("alert")).to_contain_text("Mailjet rejects the API key and secret key.")


def choose_list(page: Page, mailjet: MailjetClient) -> int:
    """The ID appears as soon as a list is chosen."""
    newsletter = next(row for row in mailjet.contactslists() if row.name == "Newsletter")
    connect = page.locator("section", has=page.get_by_role("heading", name="Connect another contact list"))
    connect.get_by_label("Contact list").select_option("Newsletter (0 contacts)")
    button(connect, "Connect").click()
    block = page.locator(f"#connection-{AppConnection.objects.latest('id').id}")
    expect(block.get_by_label("List ID", exact=True)).to_have_value(str(newsletter.id))
    return newsletter.id


def test_the_whole_page_is_used(served: Any, accessible: Any) -> None:
    mailjet = MailjetClient(served.sandbox_url, "public", "private")
    mailjet.create_contactslist("Newsletter")
    fans = mailjet.create_contactslist("Fans")
    page = served.open("app-connections/")
    accessible(page)
    add_account(page, served.sandbox_url)
    page = served.open("app-connections/")
    page.get_by_role("link", name="Mailjet public").click()
    choose_list(page, mailjet)

    connection = AppConnection.objects.latest("id")
    block = page.locator(f"#connection-{connection.id}")
    expect(block.get_by_label("Contact list")).to_contain_text("Fans (0 contacts)")
    block.get_by_label("Contact list").select_option("Fans (0 contacts)")
    expect(block.get_by_label("List ID", exact=True)).to_have_value(str(fans.id))
    button(block, "Save list").click()
    expect(page.get_by_role("status").filter(has_text="Fans is the contact list now")).to_be_visible()

    button(block, "Reveal Authentication key").click()
    expect(block.locator(f"#key-{connection.id}")).to_have_text(connection.authentication_key)
    expect(block.locator(f"#shared-secret-{connection.id}")).to_have_text(connection.authentication_key)
    accessible(page)
    button(block, "Copy Authentication key").first.click()
    expect(block.get_by_text("Copied").first).to_be_visible()
    block.get_by_role("link", name="Hide it").click()
    expect(block.get_by_text(connection.authentication_key)).to_have_count(0)

    block.get_by_role("link", name="Rotate key").click()
    button(page.get_by_role("dialog"), "Rotate key").click()
    expect(block).to_contain_text("The old key ends")
    button(block, "End it now").click()
    expect(block).not_to_contain_text("The old key ends")


def test_events_are_switched_on_and_callback_urls_repaired(
    served: Any, accessible: Any, eventually: Any
) -> None:
    mailjet = MailjetClient(served.sandbox_url, "public", "private")
    eventually(lambda: len(mailjet.eventcallbackurls()) == len(EVENT_TYPES), "the worker has registered all")
    rows = {row.event_type: row for row in mailjet.eventcallbackurls()}
    mailjet.delete_eventcallbackurl(rows["spam"].id)
    page = served.open("app-connections/")
    page.get_by_role("link", name="Mailjet public").click()
    page.get_by_role("switch", name="Send email events to Segment").check()
    page.get_by_label("Write key").fill("their-write-key")
    page.get_by_label("Another address").check()
    page.get_by_label("Address of anything").fill("http://127.0.0.1:9")
    page.get_by_label("Email Opened").uncheck()
    page.locator("form", has_text="Region of the Segment workspace").get_by_role(
        "button", name="Save"
    ).click()
    expect(page.get_by_role("status").filter(has_text="Email events go to Segment")).to_be_visible()
    row = served.workspace.destinations.get(kind="segment")
    assert (row.enabled, row.settings["endpoint"]) == (True, "http://127.0.0.1:9")
    assert "Email Opened" not in row.settings["events"]

    callbacks = page.locator("#callbacks")
    expect(callbacks).to_contain_text("Mailjet sends spam events nowhere.")
    accessible(page)
    button(callbacks, "Repair callbacks").click()
    expect(callbacks.get_by_text("Connected", exact=True)).to_have_count(7)
    assert {each.event_type for each in mailjet.eventcallbackurls()} == set(rows)
