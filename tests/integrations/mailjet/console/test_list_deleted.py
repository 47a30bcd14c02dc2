"""A person's errand, in a browser before a running Jetbridge: a contacts list is deleted at Mailjet, and another chosen."""

import json
import os
import subprocess
import sys
import urllib.request
from typing import Any

from playwright.sync_api import Page, expect

from jetbridge.control.models import Destination
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import pauses
from jetbridge.delivery.models import PauseRow, destination_consumer
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import CONTACT, LISTRECIPIENT

#: As many refusals trip the breaker.
MANY = 30


def identify(served: Any, people: dict[str, dict[str, Any]]) -> None:
    """As an SDK does, in one batch."""
    batch = [
        {"type": "identify", "userId": user, "traits": {"email": f"{user}@example.com", **traits}}
        for user, traits in people.items()
    ]
    body = json.dumps({"writeKey": served.joined.http_source.current_key, "batch": batch}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{served.url}/v1/batch", body, headers)).close()


def subscribed(mailjet: MailjetClient, list_id: int) -> dict[str, bool]:
    """Of a list, by address: whether it is subscribed."""
    places = [row for page in mailjet.pages(LISTRECIPIENT, ContactsList=list_id) for row in page]
    emails = {row.id: row.email for page in mailjet.pages(CONTACT, ContactsList=list_id) for row in page}
    return {emails[row.contact_id]: not row.is_unsubscribed for row in places if row.contact_id in emails}


def run(*arguments: str) -> str:
    """What a command says in a process of its own; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "jetbridge", *arguments],
        check=False,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_paused(row: Destination) -> bool:
    return bool(pauses.paused_consumers([destination_consumer(row.id)]))


def assert_nothing_is_red(served: Any, page: Page) -> None:
    row, account = served.joined.to_mailjet, served.joined.account
    for path in (
        "",
        "destinations/",
        *(f"destinations/{row.id}/{tab}" for tab in ("", "settings/", "sync/", "event-delivery/")),
        "app-connections/",
        f"app-connections/{account.id}/",
    ):
        served.open(path)
        expect(page.get_by_role("main")).to_be_visible()
        expect(page.locator(".paused-mark, .callout.paused, .badge.paused, .error")).to_have_count(0)


def test_a_list_is_deleted_at_mailjet_and_another_is_chosen_by_two_clicks(
    served: Any, accessible: Any, eventually: Any
) -> None:
    mailjet = MailjetClient(served.sandbox_url, "public", "private")
    row, former = served.joined.to_mailjet, served.joined.to_mailjet.settings["listId"]
    new = mailjet.create_contactslist("Newsletter").id
    identify(served, {"known": {}, "tired": {"unsubscribed": True}})
    eventually(lambda: len(subscribed(mailjet, int(former))) == 2, "contacts flow")
    served.open(f"app-connections/{served.joined.account.id}/")  # what was read there is not offered again

    mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{former}")
    identify(
        served, {f"u{n}": {} for n in range(MANY)} | {"known": {"plan": "pro"}, "tired": {"plan": "pro"}}
    )
    eventually(lambda: is_paused(row), "the destination is paused")

    page = served.open(f"destinations/{row.id}/")
    expect(page.get_by_role("alert")).to_contain_text("the contacts list is gone")
    page.get_by_role("link", name="Choose another list").click()
    block = page.locator(f"#connection-{row.workspace.mailjet_accounts.get().app_connections.get().id}")
    expect(block).to_contain_text(f"Mailjet has no list {former} Customers any more")
    expect(block.locator(".callout.good")).to_have_count(0)
    expect(block.get_by_label("Contact list").locator("option")).to_have_text(
        ["Choose another list", "Newsletter (0 contacts)"]
    )
    accessible(page)
    block.get_by_label("Contact list").select_option("Newsletter (0 contacts)")
    block.get_by_role("button", name="Save list").click()

    said = page.get_by_role("status").filter(has_text="Newsletter is the contact list now")
    expect(said).to_contain_text(f"{row.name} uses it from now on.")
    expect(page.locator(".paused-mark")).to_have_count(0)
    everybody = {f"u{n}@example.com": True for n in range(MANY)} | {"known@example.com": True}
    eventually(
        lambda: everybody.items() <= subscribed(mailjet, new).items(), "all are on the new list", seconds=20
    )
    expect(block.locator(".callout.good")).to_contain_text("with the same List ID")
    identify(served, {"tired": {"plan": "free"}, "later": {}})
    everybody |= {"later@example.com": True}
    eventually(lambda: everybody.items() <= subscribed(mailjet, new).items(), "it goes on")
    eventually(lambda: "pending 0" in pending_of(row), "nothing waits")
    assert subscribed(mailjet, new).get("tired@example.com", False) is False

    assert_nothing_is_red(served, page)
    assert PauseRow.objects.filter(consumer=destination_consumer(row.id)).count() == 1
    assert_status_is_clean(row)
    run("doctor")
    detail = AuditEntry.objects.get(action="app-connection.list-chosen").details
    assert detail == {"list": [int(former), new], "destinations": [str(row)]}


def status_of(row: Destination) -> dict[str, Any]:
    rows = json.loads(run("status", "--json"))["destinations"]
    return next(each for each in rows if each["id"] == row.id)


def pending_of(row: Destination) -> str:
    return f"pending {status_of(row)['pending']}"


def assert_status_is_clean(row: Destination) -> None:
    found = status_of(row)
    assert (found["state"], found["failed"], found["balanced"]) == ("running", 0, True), found
