"""Missed events in a browser, with a worker that really reads the sandbox's history."""

from typing import Any

from playwright.sync_api import expect

from jetbridge.integrations.mailjet.api.client import MailjetClient


def test_it_is_counted_started_and_seen_to_its_end(served: Any, accessible: Any) -> None:
    mailjet = MailjetClient(served.sandbox_url, "public", "private")
    [customers] = mailjet.contactslists()
    mailjet.managecontact(customers.id, {"Email": "ann@example.com", "Action": "addforce"})
    mailjet._transport.call("POST", "/sandbox/faults", body={"kind": "lost_events"})
    body = {"list_id": customers.id, "subject": "News", "open": 1}
    mailjet._transport.call("POST", "/sandbox/campaigns", body=body)
    page = served.open("app-connections/")
    page.get_by_role("link", name="Mailjet public").click()
    page.get_by_role("link", name="Add missed events").click()
    expect(page.get_by_role("heading", name="Which messages")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_role("heading", name="1 message: up to 3 calls to Mailjet")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Add missed events").click()
    expect(page.get_by_role("cell", name="1 of 1")).to_be_visible(timeout=60_000)
    row = page.get_by_role("row", name="Ended")
    expect(row.get_by_role("cell").nth(4)).to_have_text("2")
    accessible(page)
