"""Segment's rules for the integrations object (docs, "Filtering with the Integrations object")."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.test_filters import message

from jetbridge.routing.route import ALREADY_PASSED, EVENT_TYPE_DISABLED, FOR_ANOTHER_DESTINATION, Route
from jetbridge.routing.route import FILTERED_BY_INTEGRATIONS_OBJECT as FILTERED
from jetbridge.spec.message import EngageTarget, Message, decode, encode
from jetbridge.spec.outgoing import pass_on

WEBSITE, WORKSPACE = 1, 2
ROUTE = Route(
    frozenset({"identify"}), ("Mailjet", "Mailjet (Actions)"), {WEBSITE: "http", WORKSPACE: "segment"}
)


def why_not(integrations: dict[str, Any] | None, source: int = WEBSITE) -> str | None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    message = Message(
        type="identify", message_id="m", timestamp=now, received_at=now, integrations=integrations
    )
    return ROUTE.decide(message, source).reason


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        pytest.param(None, None, id="no object lets everything through"),
        pytest.param({}, None, id="an empty object lets everything through"),
        pytest.param({"All": True}, None, id="All true"),
        pytest.param({"All": False}, FILTERED, id="All false"),
        pytest.param({"Mailjet": False}, FILTERED, id="named and switched off"),
        pytest.param({"Mailjet": True}, None, id="named and switched on"),
        pytest.param({"All": False, "Mailjet": True}, None, id="the name wins over All false"),
        pytest.param({"All": True, "Mailjet": False}, FILTERED, id="the name wins over All true"),
        pytest.param({"All": False, "Mailjet": {"listId": 1}}, None, id="options switch on"),
        pytest.param({"All": False, "Mailjet": {}}, None, id="empty options switch on"),
        pytest.param({"mailjet": False}, None, id="names are case-sensitive"),
        pytest.param({"All": False, "mailjet": True}, FILTERED, id="case-sensitive under All false"),
        pytest.param({"all": False}, None, id="All is case-sensitive"),
        pytest.param({"Amplitude": False}, None, id="others do not matter"),
        pytest.param({"All": False, "Mailjet (Actions)": True}, None, id="any of its names"),
        pytest.param({"Mailjet": None}, None, id="null says nothing"),
    ],
)
def test_the_integrations_object_decides(integrations: dict[str, Any] | None, expected: str | None) -> None:
    assert why_not(integrations) == expected


def test_all_of_a_segment_workspace_was_meant_for_segments_own_destinations() -> None:
    assert why_not({"All": False}, WORKSPACE) is None


def test_a_segment_workspace_may_still_switch_us_off_by_name() -> None:
    assert why_not({"Mailjet": False}, WORKSPACE) == FILTERED


@pytest.mark.parametrize(("destination", "expected"), [(7, None), (8, FOR_ANOTHER_DESTINATION)])
def test_a_call_of_engage_goes_to_the_destination_that_it_names(
    destination: int, expected: str | None
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    message = Message(
        type="identify",
        message_id="m",
        timestamp=now,
        received_at=now,
        engage=EngageTarget(destination=destination),
    )
    route = Route(frozenset({"identify"}), ("Mailjet",), {WEBSITE: "engage"}, destination=7)

    assert route.decide(decode(encode(message)), WEBSITE).reason == expected


#: The names in integrations objects: ours, Segment's word for all, and those that only look like them.
NAMES = st.sampled_from(["All", "all", "Mailjet", "mailjet", "Mailjet (Actions)", "Amplitude"])
OPTIONS = st.none() | st.booleans() | st.dictionaries(st.text(max_size=3), st.booleans(), max_size=1)


@given(st.none() | st.dictionaries(NAMES, OPTIONS), st.sampled_from([WEBSITE, WORKSPACE]))
def test_any_integrations_object_decides_as_segments_docs_say(
    integrations: dict[str, Any] | None, source: int
) -> None:
    """As a table: a name of ours decides, the first one first; else `All`, where it was meant for us; else it passes."""
    said = {name: value for name, value in (integrations or {}).items() if value is not None}
    ours = [said[name] for name in ("Mailjet", "Mailjet (Actions)") if name in said]
    for_all = [said["All"]] if "All" in said and source == WEBSITE else []
    first = next(iter([*ours, *for_all]), True)
    assert why_not(integrations, source) == (FILTERED if first is False else None)


def test_a_message_that_comes_back_goes_no_second_time() -> None:
    tagged = replace(ROUTE, tag="tag-1")
    arriving = message(type="identify")
    passed = pass_on(arriving, "tag-1")
    assert tagged.decide(passed, WEBSITE).reason == ALREADY_PASSED
    assert tagged.decide(arriving, WEBSITE).reason is None
    assert replace(ROUTE, tag="tag-2").decide(passed, WEBSITE).reason is None
    assert ROUTE.decide(passed, WEBSITE).reason is None


def test_email_events_that_are_off_stay_out_and_nothing_else_does() -> None:
    route = replace(
        ROUTE,
        source_kinds={**ROUTE.source_kinds, 3: "mailjet"},
        email_events=frozenset({"Email Opened"}),
        email_event_names={"Email Opened": "opened"},
    )
    opened, bounced = (
        message(type="track", event="Email Opened"),
        message(type="track", event="Email Bounced"),
    )
    assert route.decide(bounced, 3).reason == EVENT_TYPE_DISABLED
    assert route.decide(bounced, WEBSITE).reason is None  # an event of the same name that is not Mailjet's
    assert route.decide(message(type="identify"), 3).reason is None
    assert route.decide(opened, 3).message.event == "opened"
    assert route.decide(opened, WEBSITE).message.event == "Email Opened"
