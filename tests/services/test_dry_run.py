"""Trying a call: the way through routing, and sending it as its source would."""

import json
from typing import Any

import pytest

from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.control.models import Workspace
from jetbridge.errors import MessageRejected
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations import registry
from jetbridge.integrations.setting import MASK
from jetbridge.routing.filters import Filter, dump
from jetbridge.routing.route import REASONS
from jetbridge.services import event_tester
from jetbridge.services.queries import dry_run
from jetbridge.spec.booleans import ParsedBoolean
from jetbridge.spec.message import decode
from jetbridge.spec.person import consent_of

STAFF = dump([Filter("Staff", "traits.staff = true")])
SEGMENT = registry.destination("segment")


def call(**fields: Any) -> str:
    return json.dumps({"type": "identify", "userId": "u1", **fields})


@pytest.fixture
def ref(home: Any) -> DestinationRef:
    workspace = Workspace.objects.create(name="Main")
    row = workspace.destinations.create(
        kind="segment", name="Segment", secrets='{"writeKey": "k"}', settings={"filters": STAFF}
    )
    row.sources.add(workspace.sources.create(kind="http", name="Website"))
    (found,) = destinations_of(workspace.id)
    return found


def ways(ref: DestinationRef, text: str) -> tuple[list[bool | None], str]:
    (source,) = ref.source_kinds
    message = dry_run.message_of(text)
    steps = dry_run.steps(ref, SEGMENT, message, dry_run.decide(ref, SEGMENT, message, source))
    return [step.passed for step in steps], "".join(
        f"{step.code}: {step.detail}" for step in steps if step.code
    )


def test_a_call_that_came_without_a_value_has_a_text_in_its_place() -> None:
    body = call(traits={"email": "a@b.com", "unsubscribed": float("nan"), "tags": [float("nan")]})
    again = dry_run.message_of(dry_run.readable(dry_run.message_of(body)))
    assert again.traits is not None
    assert again.traits["unsubscribed"] == dry_run.UNREADABLE
    assert consent_of(again, "unsubscribed").unsubscribed is ParsedBoolean.UNREADABLE


def test_every_reason_of_routing_has_its_step() -> None:
    assert set(dry_run.TITLES) == set(REASONS)


def test_a_call_that_arrives_passes_every_step(ref: DestinationRef) -> None:
    assert ways(ref, call()) == ([True] * 5, "")


@pytest.mark.parametrize(
    ("fields", "passed", "why"),
    [
        (
            {"traits": {"staff": True}},
            [True, True, True, True, False],
            "FILTERED_BY_DESTINATION_FILTER: The filter Staff drops it.",
        ),
        (
            {"integrations": {"All": False}, "traits": {"staff": True}},
            [True, True, False, None, None],
            "FILTERED_BY_INTEGRATIONS_OBJECT: It answers to Segment.io and Segment, and is switched off there.",
        ),
    ],
)
def test_a_call_that_does_not_says_where_it_stops_and_why(
    ref: DestinationRef, fields: dict[str, Any], passed: list[bool | None], why: str
) -> None:
    assert ways(ref, call(**fields)) == (passed, why)


def test_receivers_are_those_that_would_get_it(ref: DestinationRef) -> None:
    (source,) = ref.source_kinds
    names = lambda text: [each.name for each in dry_run.receivers([ref], dry_run.message_of(text), source)]  # noqa: E731
    assert names(call()) == ["Segment"]
    assert names(call(traits={"staff": True})) == []
    assert list(dry_run.receivers([ref], dry_run.message_of(call()), source + 1)) == []


def test_it_is_sent_under_a_new_message_id_and_found_behind_the_position(
    ref: DestinationRef, event_log: SqliteEventLog
) -> None:
    (source,) = ref.source_kinds
    ids = {event_tester._append(event_log, source, call(messageId="old"))[0] for _ in range(2)}
    assert len(ids - {"old"}) == 2
    message_id, before = event_tester._append(
        event_log, source, call(message_id="old", traits={"plan": "pro"})
    )
    (record,) = event_log.read(before)
    assert (decode(record.body).message_id, decode(record.body).traits) == (message_id, {"plan": "pro"})
    assert record.source == source


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"type": "delete", "userId": "u"}', '{"type": "identify"}']
)
def test_what_no_door_would_take_is_not_sent(event_log: SqliteEventLog, text: str) -> None:
    with pytest.raises(MessageRejected):
        dry_run.message_of(text)
    with pytest.raises(MessageRejected):
        event_tester._append(event_log, 1, text)
    assert event_log.counts().end == 0


def test_what_is_shown_can_be_sent_again() -> None:
    message = dry_run.message_of(call(messageId="m", timestamp="2026-01-01T00:00:00Z", traits={"a": [1]}))
    again = dry_run.message_of(dry_run.readable(message))
    assert (again.message_id, again.timestamp, again.traits) == ("m", message.timestamp, {"a": [1]})


def test_the_request_to_segment_is_shown_without_the_key(ref: DestinationRef) -> None:
    address, _, body = SEGMENT.preview(ref, dry_run.message_of(call(messageId="m"))).request.partition("\n\n")
    assert address == "POST https://api.segment.io/v1/batch"
    sent = json.loads(body)
    assert (sent["batch"][0]["messageId"], sent["writeKey"]) == ("m", MASK)
