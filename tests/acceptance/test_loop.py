"""The job that Jetbridge is for, through every room, with the clients that people use."""

import base64
import hmac
import json
import time
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from segment.analytics import Client as Segment

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance


def identify(loop: "Loop", people: dict[str, dict[str, Any]]) -> None:
    """Send identify calls through Segment's own library, to the end."""
    failed: list[Exception] = []
    client = Segment(loop.write_key, host=loop.url, on_error=lambda error, _: failed.append(error))
    for user_id, traits in people.items():
        client.identify(user_id, traits)
    client.shutdown()
    assert failed == []


def test_an_identify_becomes_a_contact_and_its_email_events_come_back(loop: "Loop", eventually: Any) -> None:
    identify(
        loop,
        {
            "u1": {
                "email": "Ada@Example.com",
                "name": "Ada Lovelace",
                "age": 36,
                "score": 1.5,
                "vip": True,
                "opted_out": False,
                "visits": 0,
                "joined": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
                "address": {"city": "London", "zip": "01234"},
            }
        },
    )
    loop.settle()
    contact = loop.mailjet.contact.get(id="ada@example.com").json()["Data"][0]
    assert contact["Name"] == "Ada Lovelace"
    data = loop.mailjet.contactdata.get(id="ada@example.com").json()["Data"][0]["Data"]
    assert {row["Name"]: row["Value"] for row in data} == {
        "name": "Ada Lovelace",
        "age": 36,
        "score": 1.5,
        "vip": True,
        "opted_out": False,
        "visits": 0,
        "joined": "2024-05-06T07:08:09Z",
        "address_city": "London",
        "address_zip": "01234",
    }
    assert loop.subscribers() == {"ada@example.com"}
    assert loop.destination("mailjet")["delivered"] == 1

    campaign = {"list_id": loop.setup["list_id"], "subject": "Hello", "seed": 1, "open": 1.0, "click": 1.0}
    loop.sandbox("POST", "/sandbox/campaigns", campaign)
    wanted = {"Email Delivered", "Email Opened", "Email Link Clicked"}
    eventually(
        lambda: {call["event"] for call in loop.segment.calls} >= wanted, "tracks at Segment", seconds=60
    )
    assert {(call["type"], call.get("userId")) for call in loop.segment.calls} == {("track", "u1")}
    assert {call["context"]["traits"]["email"] for call in loop.segment.calls} == {"ada@example.com"}
    loop.settle()
    to_segment = loop.destination("segment")
    assert to_segment["delivered"] == len(loop.segment.calls)
    assert len({call["messageId"] for call in loop.segment.calls}) == len(loop.segment.calls)


def test_a_thousand_identifies_that_change_nothing_cost_no_call(loop: "Loop") -> None:
    people = {f"u{n}": {"email": f"u{n}@example.com", "plan": "pro", "age": n} for n in range(1_000)}
    identify(loop, people)
    loop.settle()
    assert loop.subscribers() == {f"u{n}@example.com" for n in range(1_000)}
    loop.sandbox("POST", "/sandbox/reset")
    identify(loop, people)
    loop.settle()
    assert loop.calls_to_mailjet() == {}
    row = loop.destination("mailjet")
    assert (row["received"], row["delivered"], row["filtered"], row["failed"]) == (2_000, 2_000, 0, 0)


def test_every_message_is_accounted_for_with_its_reason(loop: "Loop") -> None:
    client = Segment(loop.write_key, host=loop.url)
    client.identify("u1", {"email": "ada@example.com"})
    client.identify("u2", {"email": "bob@example.com"}, integrations={"Mailjet": False})
    client.identify("u3", {"email": "no address"})
    client.identify("u4", {"plan": "pro"})
    client.track("u1", "Order Completed")
    client.shutdown()
    loop.settle()
    row = loop.destination("mailjet")
    assert (row["received"], row["delivered"], row["pending"]) == (5, 1, 0)
    assert row["reasons"]["filtered"]["FILTERED_BY_INTEGRATIONS_OBJECT"] == 1
    assert row["reasons"]["filtered"]["UNSUPPORTED_EVENT_TYPE"] == 1
    assert row["filtered"] + row["failed"] == 4
    assert loop.subscribers() == {"ada@example.com"}


def test_a_value_that_does_not_fit_is_set_aside_and_reported(loop: "Loop") -> None:
    identify(loop, {"u1": {"email": "ada@example.com", "age": 36}})
    loop.settle()
    identify(loop, {"u2": {"email": "bob@example.com", "age": "unknown", "plan": "pro"}})
    loop.settle()
    row = loop.destination("mailjet")
    assert (row["delivered"], row["failed"]) == (2, 0)
    assert row["remarks"] == [
        "property age: text where Mailjet has int (rejected values: 1, the last for bob@example.com)"
    ]
    data = loop.mailjet.contactdata.get(id="bob@example.com").json()["Data"][0]["Data"]
    assert {row["Name"]: row["Value"] for row in data} == {"plan": "pro"}


def test_a_segment_workspace_delivers_with_its_authentication_key_and_with_its_signature(
    loop: "Loop",
) -> None:
    key = str(loop.setup["authentication_key"])
    at = "2026-01-01T00:00:00.000Z"
    for number, url in enumerate((loop.setup["subscription_url"], loop.setup["webhooks_url"])):
        call = {"type": "identify", "messageId": f"m{number}", "userId": f"u{number}", "timestamp": at}
        body = json.dumps({**call, "traits": {"email": f"u{number}@example.com"}}).encode()
        signature = hmac.new(key.encode(), body, "sha1").hexdigest()
        credentials = base64.b64encode(f"{key}:".encode()).decode()
        headers = [{"authorization": f"Basic {credentials}"}, {"x-signature": signature}][number]
        request = urllib.request.Request(url, body, {"content-type": "application/json", **headers})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
    loop.settle()
    assert loop.subscribers() == {"u0@example.com", "u1@example.com"}


def test_news_of_the_same_people_cost_calls_by_people_and_not_by_messages(loop: "Loop") -> None:
    began = time.monotonic()
    for number in range(100):
        for start in (0, 100):
            calls = [
                {"type": "identify", "userId": f"u{n}", "traits": {"email": f"u{n}@b.com", "visits": number}}
                for n in range(start, start + 100)
            ]
            body = json.dumps({"writeKey": loop.write_key, "batch": calls}).encode()
            urllib.request.urlopen(f"{loop.url}/v1/batch", body, timeout=20).close()
    loop.settle(seconds=120)
    assert loop.destination("mailjet")["delivered"] == 20_000
    calls_made = loop.calls_to_mailjet()
    # At the most one body every five seconds while the stream lasts; a busy machine may interrupt it.
    assert calls_made["POST contactslist/managemanycontacts"] <= 2 + (time.monotonic() - began)
    assert sum(n for call, n in calls_made.items() if call.startswith("POST contactslist/")) < 50
    rows = loop.mailjet.contactdata.get(filters={"Limit": 1000}).json()["Data"]
    assert [row["Data"] for row in rows] == [[{"Name": "visits", "Value": 99}]] * 200
