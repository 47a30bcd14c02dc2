"""Segment's rules for the integrations object (docs, "Filtering with the Integrations object")."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.routing.route import FILTERED_BY_INTEGRATIONS_OBJECT as FILTERED
from jetbridge.routing.route import FOR_ANOTHER_DESTINATION, Route
from jetbridge.spec.message import EngageTarget, Message, decode, encode

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
