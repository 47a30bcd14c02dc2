from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


MESSAGE = {
    "From": {"Email": "shop@example.com"},
    "To": [{"Email": "a@example.com"}, {"Email": "b@example.com"}],
    "Subject": "Receipt",
    "TextPart": "Thank you",
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

    answer = response.json()["Messages"][0]
    nothing = {
        "MessageUUID": "",
        "MessageID": 0,
        "MessageHref": "https://api.mailjet.com/v3/REST/message/0",
    }
    assert answer["Status"] == "success"
    assert answer["To"] == [{"Email": f"{name}@example.com", **nothing} for name in "ab"]
    assert box.get("contact") == []
    assert box.call("GET", "/sandbox/events").json()["events"] == []


def test_a_message_takes_from_globals_what_it_does_not_have_itself(box: "Box") -> None:
    shared = {
        "From": {"Email": "shop@example.com"},
        "TextPart": "Hello",
        "CustomID": "g",
        "Subject": "Shared",
    }
    messages = [
        {"To": [{"Email": "a@example.com"}]},
        {"To": [{"Email": "b@example.com"}], "CustomID": "own", "subject": "Own"},
    ]

    response = box.call("POST", "/v3.1/send", {"Globals": shared, "Messages": messages})

    assert response.status == 200
    assert [row["CustomID"] for row in response.json()["Messages"]] == ["g", "own"]
    assert [row["Subject"] for row in box.get("message?ShowSubject=true")] == ["Shared", "Own"]


def problems(box: "Box", **message: Any) -> list[tuple[str, list[str]]]:
    """What is wrong with MESSAGE after a change; None takes a part away."""
    changed = {name: value for name, value in {**MESSAGE, **message}.items() if value is not None}
    response = box.call("POST", "/v3.1/send", {"Messages": [changed]})
    answer = response.json()["Messages"][0]
    assert (response.status, answer["Status"]) == (400, "error")
    assert box.get("contact") == []
    return [(row["ErrorCode"], row["ErrorRelatedTo"]) for row in answer["Errors"]]


def test_missing_parts_are_named(box: "Box") -> None:
    parts = ["TextPart", "HTMLPart", "TemplateID"]
    assert problems(box, TextPart=None) == [("send-0003", parts)]
    assert problems(box, TextPart=None, From=None, To=None) == [
        ("mj-0003", ["From"]),
        ("mj-0003", ["To"]),
        ("send-0003", parts),
    ]


def test_a_template_brings_its_sender_and_its_text(box: "Box") -> None:
    message = {"To": [{"Email": "a@example.com"}], "TemplateID": 7}

    assert box.call("POST", "/v3.1/send", {"Messages": [message]}).status == 200


def test_a_bad_address_is_named_with_its_place(box: "Box") -> None:
    good, bad = {"Email": "a@example.com"}, {"Email": "bad"}

    assert problems(box, To=[good, bad]) == [("mj-0013", ["To[1].Email"])]
    assert problems(box, Cc=[bad], ReplyTo=bad, From=bad) == [
        ("mj-0013", ["From.Email"]),
        ("mj-0013", ["ReplyTo.Email"]),
        ("mj-0013", ["Cc[0].Email"]),
    ]


def test_recipients_are_counted_over_all_messages(box: "Box") -> None:
    many = [{"Email": f"u{number}@example.com"} for number in range(25)]
    body = {"Messages": [{**MESSAGE, "To": many}, {**MESSAGE, "To": many[:24], "Cc": many[:1]}]}
    assert box.call("POST", "/v3.1/send", body).status == 200

    body["Messages"][1]["Bcc"] = many[:1]
    response = box.call("POST", "/v3.1/send", body)

    assert (response.status, "Messages" in response.json()) == (400, False)
    assert response.json()["ErrorMessage"] == "Total number of recipients exceeded. Max allowed - 50"


def test_broken_json_has_a_code(box: "Box") -> None:
    response = box.call("POST", "/v3.1/send", b'{"Messages": [')

    assert (response.status, response.json()["ErrorCode"]) == (400, "mj-0002")


@pytest.mark.parametrize("body", [{}, {"Messages": []}, {"Messages": [MESSAGE] * 51}])
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
        box.call(
            "POST", "/v3/send", {**body, "Recipients": [], "To": "Ann <a@example.com>, b@example.com"}
        ).json()["Sent"][1]["Email"]
        == "b@example.com"
    )


def test_v3_without_a_sender_is_refused_without_a_word(box: "Box") -> None:
    response = box.call("POST", "/v3/send", {"Recipients": [{"Email": "a@example.com"}], "Subject": "x"})

    assert (response.status, response.data) == (400, b"")
    assert response.headers["Content-Type"] == "application/json"
    assert box.get("contact") == []
