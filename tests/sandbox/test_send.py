from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


MESSAGE = {
    "From": {"Email": "shop@example.com"},
    "To": [{"Email": "a@example.com"}, {"Email": "b@example.com"}],
    "Subject": "Receipt",
    "CustomID": "order-1",
    "EventPayload": "x",
}


def test_v31_delivers_to_everybody_and_emits_sent(box: "Box") -> None:
    response = box.call("POST", "/v3.1/send", {"Messages": [MESSAGE]})

    assert response.status == 200
    answer = response.json()["Messages"][0]
    assert (answer["Status"], answer["CustomID"], answer["Cc"]) == ("success", "order-1", [])
    assert [sorted(row) for row in answer["To"]] == [["Email", "MessageHref", "MessageID", "MessageUUID"]] * 2
    events = [row["event"] for row in box.call("GET", "/sandbox/events").json()["events"]]
    assert [(event["event"], event["CustomID"], event["Payload"]) for event in events] == [
        ("sent", "order-1", "x")
    ] * 2
    assert [event["MessageID"] for event in events] == [row["MessageID"] for row in answer["To"]]
    assert [row["Email"] for row in box.get("contact")] == ["a@example.com", "b@example.com"]


def test_sandbox_mode_checks_only(box: "Box") -> None:
    response = box.call("POST", "/v3.1/send", {"Messages": [MESSAGE], "SandboxMode": True})

    assert response.json()["Messages"][0]["Status"] == "success"
    assert box.get("contact") == []


def test_missing_parts_are_named(box: "Box") -> None:
    response = box.call("POST", "/v3.1/send", {"Messages": [{"To": [{"Email": "bad"}]}]})

    answer = response.json()["Messages"][0]
    assert (response.status, answer["Status"]) == (400, "error")
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["mj-0003", "mj-0013"]
    assert box.get("contact") == []


@pytest.mark.parametrize("body", [b"{", b"[]", {}, {"Messages": []}, {"Messages": [MESSAGE] * 51}])
def test_senseless_body_gets_the_newer_error(box: "Box", body: Any) -> None:
    response = box.call("POST", "/v3.1/send", body)

    assert response.status == 400
    assert sorted(response.json()) == ["ErrorIdentifier", "ErrorMessage", "StatusCode"]


def test_tagged_messages_share_a_campaign(box: "Box") -> None:
    box.call("POST", "/v3.1/send", {"Messages": [{**MESSAGE, "CustomCampaign": "receipts"}] * 2})

    campaign = box.get("campaign/receipts")[0]
    assert campaign["CampaignType"] == 1
    assert len(box.get(f"message?Campaign={campaign['ID']}")) == 4


def test_v3_answers_as_the_legacy_server(box: "Box") -> None:
    body = {
        "FromEmail": "shop@example.com",
        "Subject": "x",
        "Recipients": [{"Email": "a@example.com"}],
        "Mj-CustomID": "1",
    }

    response = box.call("POST", "/v3/send", body)

    assert response.status == 200
    assert response.data.startswith(b'{ "Sent" : [{ "Email" : "a@example.com", "MessageID" : ')
    assert (
        box.call("POST", "/v3/send", {"To": "Ann <a@example.com>, b@example.com"}).json()["Sent"][1]["Email"]
        == "b@example.com"
    )
    assert box.call("POST", "/v3/send", {}).status == 400
