"""Each claim is true of a day that went well, and false as soon as its own part did not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jetbridge.demo.claims import claims
from jetbridge.demo.evidence import OFF, ON

(
    CONTACTS,
    MEMBERS,
    UNSUBSCRIBED,
    MOVED,
    LEFT,
    TRACKS,
    WAREHOUSE,
    BUYERS,
    LEAVER,
    REPETITION,
    ACCOUNT,
) = range(11)


def test_every_claim_is_true_of_a_day_that_went_well(day: Any) -> None:
    assert [claim.wrong for claim in claims(day.expected, day.found)] == [[]] * 11


def value(day: Any) -> dict[str, Any]:
    values: dict[str, Any] = day.found.properties[day.expected.new_email]
    return values


def buyer(day: Any) -> dict[str, Any]:
    return next(found for found in day.found.properties.values() if found.get("recent_buyers"))


def leaver(day: Any) -> dict[str, Any]:
    values: dict[str, Any] = day.found.properties[day.expected.leaver]
    return values


def first_on(day: Any) -> str:
    """One who has bought nothing, and not moved."""
    expected = day.expected
    busy = {expected.new_email} | {
        email for email, id_ in expected.user_ids.items() if id_ in expected.revenue
    }
    return next(email for email, state in day.found.members.items() if state == ON and email not in busy)


def mailjet(day: Any) -> dict[str, Any]:
    row: dict[str, Any] = day.found.destination("mailjet")
    return row


def add_event(day: Any, email: str) -> None:
    day.found.events.append({"event": {"event": "open", "email": email, "MessageID": 7}})
    day.found.destination("segment")["delivered"] += 1


@pytest.mark.parametrize(
    ("spoil", "false"),
    [
        pytest.param(lambda day: value(day).update(plan="Gold"), {CONTACTS}, id="another value"),
        pytest.param(lambda day: value(day).update(orders=True), {CONTACTS}, id="true for 1"),
        pytest.param(lambda day: value(day).update(spent=1), {CONTACTS}, id="another kind of number"),
        pytest.param(lambda day: value(day).pop("nickname"), {CONTACTS}, id="an empty text lost"),
        pytest.param(lambda day: value(day).update(more=1), {CONTACTS}, id="a property too many"),
        pytest.param(lambda day: day.found.properties.pop(first_on(day)), {CONTACTS}, id="a contact lost"),
        pytest.param(lambda day: day.found.names.update({first_on(day): ""}), {CONTACTS}, id="no Name"),
        pytest.param(lambda day: day.found.members.pop(first_on(day)), {MEMBERS}, id="not on the list"),
        pytest.param(
            lambda day: day.found.members.update({"otto@example.com": ON}),
            {MEMBERS},
            id="a stranger on the list",
        ),
        pytest.param(
            lambda day: day.found.members.update({first_on(day): OFF}), {MEMBERS}, id="an unsubscribe unasked"
        ),
        pytest.param(
            lambda day: day.found.members.update({day.expected.unsubscribed: ON}),
            {UNSUBSCRIBED},
            id="subscribed",
        ),
        pytest.param(
            lambda day: add_event(day, day.expected.unsubscribed),
            {UNSUBSCRIBED, TRACKS, WAREHOUSE},
            id="mail unwanted",
        ),
        pytest.param(
            lambda day: day.found.members.update({day.expected.old_email: ON}),
            {MEMBERS, MOVED},
            id="old address",
        ),
        pytest.param(
            lambda day: add_event(day, day.expected.old_email),
            {MOVED, TRACKS, WAREHOUSE},
            id="mail to the old",
        ),
        pytest.param(
            lambda day: day.found.members.update({day.found.left_by_campaign: ON}), {LEFT}, id="consent lost"
        ),
        pytest.param(lambda day: day.found.tracks.pop(), {TRACKS}, id="a track lost"),
        pytest.param(
            lambda day: day.found.tracks.append({**day.found.tracks[0], "messageId": "m"}),
            {TRACKS},
            id="one more",
        ),
        pytest.param(lambda day: day.found.tracks[0].update(userId="u-9"), {TRACKS}, id="another userId"),
        pytest.param(
            lambda day: day.found.tracks[0].update(event="Email Opened"), {TRACKS}, id="another name"
        ),
        pytest.param(
            lambda day: day.found.answers["revenue"].clear(), {WAREHOUSE}, id="no revenue after a click"
        ),
        pytest.param(
            lambda day: day.found.answers["clicked"].append({"email": "somebody@example.com"}),
            {WAREHOUSE},
            id="another click",
        ),
        pytest.param(
            lambda day: value(day).update(recent_buyers=True), {CONTACTS, BUYERS}, id="a member too many"
        ),
        pytest.param(
            lambda day: buyer(day).update(lifetime_value=1.0), {CONTACTS, BUYERS}, id="another lifetime value"
        ),
        pytest.param(
            lambda day: leaver(day).pop("recent_buyers"), {CONTACTS, BUYERS}, id="an exit without a value"
        ),
        pytest.param(lambda day: setattr(day.found, "entered_at", None), {LEAVER}, id="never entered"),
        pytest.param(lambda day: setattr(day.found, "left_at", None), {LEAVER}, id="never left"),
        pytest.param(
            lambda day: setattr(day.found, "left_at", day.expected.leaves_at - timedelta(milliseconds=1)),
            {LEAVER},
            id="left too early",
        ),
        pytest.param(
            lambda day: day.found.calls_for_repetition.update({"POST contact": 1}), {REPETITION}, id="a call"
        ),
        pytest.param(lambda day: mailjet(day).update(pending=1), {ACCOUNT}, id="pending"),
        pytest.param(lambda day: mailjet(day).update(balanced=False), {ACCOUNT}, id="unbalanced"),
        pytest.param(lambda day: mailjet(day).update(state="held"), {ACCOUNT}, id="held"),
        pytest.param(lambda day: mailjet(day).update(received=1), {ACCOUNT}, id="calls lost"),
        pytest.param(
            lambda day: mailjet(day)["reasons"]["failed"].update(INVALID_PROPERTY=1),
            {ACCOUNT},
            id="a failure more",
        ),
        pytest.param(
            lambda day: mailjet(day)["reasons"]["filtered"].clear(), {ACCOUNT}, id="nothing filtered"
        ),
    ],
)
def test_a_claim_is_false_as_soon_as_its_part_is(
    day: Any, spoil: Callable[[Any], object], false: set[int]
) -> None:
    spoil(day)
    made = claims(day.expected, day.found)
    assert {number for number, claim in enumerate(made) if not claim.holds} == false


def test_the_same_track_twice_counts_once(day: Any) -> None:
    """Jetbridge promises at least once; Segment tells repetitions by their messageId."""
    day.found.tracks.append(day.found.tracks[0])
    assert claims(day.expected, day.found)[TRACKS].holds


def test_of_many_differences_the_first_three_are_told(day: Any) -> None:
    day.found.properties.clear()
    wrong = claims(day.expected, day.found)[CONTACTS].wrong
    assert len(wrong) == 4
    assert wrong[3].startswith("and ")
