import json
from datetime import UTC, datetime

from jetbridge.spec.message import Message
from jetbridge.spec.outgoing import render

AT = datetime(2026, 11, 23, 9, 30, 15, 250_000, tzinfo=UTC)


def test_what_segment_makes_itself_is_left_out_and_the_rest_stays_as_it_was() -> None:
    message = Message(
        type="track",
        message_id="m-1",
        timestamp=AT,
        received_at=AT,
        user_id="u1",
        event="Order Completed",
        properties={"total": 12.5, "coupon": None},
        context={"ip": "10.0.0.1"},
        integrations={"All": False, "Mailjet": True},
        original_timestamp="2026-11-23T10:00:00+01:00",
        sent_at="2026-11-23T10:00:01+01:00",
        channel="server",
        project_id="7",
        metadata={"bundled": []},
        settings={"listId": "1"},
    )
    assert json.loads(render(message)) == {
        "type": "track",
        "messageId": "m-1",
        "timestamp": "2026-11-23T09:30:15.250000Z",
        "userId": "u1",
        "event": "Order Completed",
        "properties": {"total": 12.5, "coupon": None},
        "context": {"ip": "10.0.0.1"},
        "integrations": {"All": False, "Mailjet": True},
        "channel": "server",
        "_metadata": {"bundled": []},
    }


def test_every_other_call_type_keeps_its_own_fields() -> None:
    alias = Message(
        type="alias", message_id="m", timestamp=AT, received_at=AT, user_id="new", previous_id="old"
    )
    group = Message(type="group", message_id="m", timestamp=AT, received_at=AT, group_id="g", traits={"a": 1})
    page = Message(type="page", message_id="m", timestamp=AT, received_at=AT, name="Home", category="Docs")
    assert json.loads(render(alias))["previousId"] == "old"
    assert json.loads(render(group)) | {"timestamp": ""} == {
        "type": "group", "messageId": "m", "timestamp": "", "groupId": "g", "traits": {"a": 1},
    }  # fmt: skip
    assert [json.loads(render(page))[name] for name in ("name", "category")] == ["Home", "Docs"]
