"""In a real browser, before a real Jetbridge and a Mailjet in a box: a hold, a failure, a person, a difference."""

import json
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import expect

from jetbridge.control.models import Destination
from jetbridge.delivery import pauses
from jetbridge.delivery.models import destination_consumer
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.models import Contact


def send(served: Any, *people: tuple[str, dict[str, Any]]) -> None:
    """As an SDK does."""
    key = served.joined.http_source.current_key
    batch = [{"type": "identify", "userId": user, "traits": traits} for user, traits in people]
    body = json.dumps({"writeKey": key, "batch": batch}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{served.url}/v1/batch", body, headers)).close()


@pytest.fixture
def row(served: Any) -> Destination:
    found: Destination = served.joined.to_mailjet
    return found


@pytest.fixture
def path(row: Destination) -> str:
    return f"destinations/{row.id}/"


@pytest.fixture
def ada(served: Any, eventually: Any) -> None:
    """Mailjet holds her, and has confirmed all of it."""
    send(served, ("u-1", {"email": "ada@example.com", "plan": "pro"}))
    account = served.joined.account.id
    at_rest = Contact.objects.filter(
        account_id=account, email="ada@example.com", next_attempt_at=None, job_id=None
    )
    eventually(at_rest.exists, "Mailjet has confirmed her")


def mailjet(served: Any) -> MailjetClient:
    return MailjetClient(served.sandbox_url, "public", "private")


def is_paused(row: Destination) -> bool:
    return bool(pauses.paused_consumers([destination_consumer(row.id)]))


def test_a_hold_appears_and_is_released(
    served: Any, row: Destination, path: str, accessible: Any, eventually: Any
) -> None:
    good = row.secrets
    page = served.open(f"{path}filters/")
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    row.secrets = json.dumps({"apiKey": "of nobody"})
    row.save()
    # The page that is open learns of it by itself.
    expect(page.get_by_role("alert")).to_contain_text(
        "Paused by an error: the Authentication key is rejected"
    )
    expect(page.get_by_role("link", name="1 destination paused")).to_be_visible()
    accessible(page)
    served.open("sources/")
    expect(page.get_by_role("link", name="1 destination paused")).to_be_visible()
    accessible(page)
    page.get_by_role("link", name="1 destination paused").click()
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_text("is resumed.")).to_be_visible()
    eventually(lambda: is_paused(row), "it has tried, and is held again")
    row.secrets = good
    row.save()
    eventually(lambda: not is_paused(row), "it runs")
    served.open(f"{path}sync/")
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Pauses")).to_contain_text("INVALID_AUTHENTICATION")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_trouble_appears_on_an_open_page_and_goes_when_it_is_over(
    served: Any, path: str, accessible: Any
) -> None:
    page = served.open(f"{path}mailjet/mapping/")
    fault = json.dumps({"kind": "status", "status": 500, "endpoint": "POST *"}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{served.sandbox_url}/sandbox/faults", fault)).close()
    send(served, ("u-1", {"email": "ada@example.com"}))
    expect(page.get_by_text("Mailjet has an internal problem.")).to_be_visible()
    accessible(page)
    mend = urllib.request.Request(f"{served.sandbox_url}/sandbox/faults", method="DELETE")
    urllib.request.urlopen(mend).close()
    # The longest pause is a minute, and chance decides.
    expect(page.get_by_text("running", exact=True)).to_be_visible(timeout=90_000)


def test_a_failure_is_looked_at_and_tried_again(served: Any, path: str, accessible: Any) -> None:
    send(served, ("u-1", {"email": "not an address"}))
    page = served.open(path)
    expect(page.locator(".stat.bad")).to_contain_text("1")
    accessible(page)
    page.get_by_role("link", name="Event Delivery").first.click()
    reason = page.get_by_role("region", name="Failed").get_by_role("row").nth(1)
    expect(reason).to_be_visible()
    accessible(page)
    reason.get_by_role("link").first.click()
    page.get_by_role("region", name="Messages").get_by_role("link").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text('"email": "not an address"')
    accessible(page)
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Retry all of this reason").click()
    dialog.get_by_role("button", name="Retry 1 message").click()
    expect(page.get_by_text("1 message is pending again.")).to_be_visible()


def test_a_person_is_searched_and_forgotten(served: Any, ada: None, path: str, accessible: Any) -> None:
    page = served.open(f"{path}contacts/")
    expect(page.get_by_role("link", name="ada@example.com")).to_be_visible()
    accessible(page)
    page.get_by_role("searchbox").fill("u-1")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("Up to date in Mailjet")).to_be_visible()
    expect(page.get_by_role("region", name="Properties of ada@example.com")).to_contain_text("pro")
    accessible(page)
    page.get_by_role("link", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget this person").click()
    expect(page.locator("#receipt")).to_contain_text("forgotten")
    accessible(page)
    assert mailjet(served).contact("ada@example.com") is None


def test_a_difference_is_found_and_repaired(
    served: Any, ada: None, path: str, accessible: Any, eventually: Any
) -> None:
    client, list_id = mailjet(served), served.joined.connection.list_id
    client.managecontact(
        list_id, {"Email": "ada@example.com", "Action": "addnoforce", "Properties": {"plan": "free"}}
    )
    page = served.open(f"{path}sync/")
    accessible(page)
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#verify")).to_contain_text("1 difference")
    accessible(page)
    page.get_by_role("button", name="Repair 1 difference").click()
    expect(page.locator("#verify")).to_contain_text("for the worker to send")
    page.get_by_role("button", name="Count").click()
    page.get_by_role("button", name="Replay 1 message").click()
    expect(page.get_by_role("region", name="Replays")).to_contain_text("1 of 1")
    eventually(lambda: client.contactdata("ada@example.com")["plan"] == "pro", "it is repaired")
