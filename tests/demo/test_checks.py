"""Each promise is kept on a day that went well, and broken as soon as its own part did not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jetbridge.demo.checks import checks

CONTACTS, LIST, MAIL, TRACKS, WAREHOUSE, LEAVER, REPETITION, TOTALS = range(8)


def broken(day: Any) -> set[int]:
    return {number for number, check in enumerate(checks(day.expected, day.observed)) if check.differences}


def values(day: Any) -> dict[str, Any]:
    """Of the one who moved."""
    properties: dict[str, Any] = day.observed.properties[day.expected.new_email]
    return properties


def buyer(day: Any) -> dict[str, Any]:
    return next(row for row in day.observed.properties.values() if row.get("recent_buyers"))


def subscriber(day: Any) -> str:
    """One who has bought nothing, and not moved."""
    expected = day.expected
    buyers = {email for email, user_id in expected.user_ids.items() if user_id in expected.revenue}
    subscribed = (email for email, state in day.observed.subscribed.items() if state)
    return next(email for email in subscribed if email not in buyers | {expected.new_email})


def mailjet(day: Any) -> dict[str, Any]:
    row: dict[str, Any] = day.observed.status["destinations"][0]
    return row


def open_event(day: Any, email: str) -> None:
    day.observed.events.append({"event": "open", "email": email, "MessageID": 7})
    track = day.observed.tracks[0]
    properties = {"email_id": "7"}
    user_id = day.expected.user_ids.get(email)
    context = {"traits": {"email": email}}
    day.observed.tracks.append(
        {**track, "event": "Email Opened", "messageId": "m-7", "userId": user_id}
        | {"context": context, "properties": properties}
    )


def test_every_promise_is_kept_on_a_day_that_went_well(day: Any) -> None:
    assert [check.differences for check in checks(day.expected, day.observed)] == [[]] * 8


SPOILERS: dict[str, tuple[Callable[[Any], object], set[int]]] = {
    "another value": (lambda day: values(day).update(plan="Gold"), {CONTACTS}),
    "true for 1": (lambda day: values(day).update(orders=True), {CONTACTS}),
    "another kind of number": (lambda day: values(day).update(spent=1), {CONTACTS}),
    "an empty text lost": (lambda day: values(day).pop("nickname"), {CONTACTS}),
    "a property too many": (lambda day: values(day).update(more=1), {CONTACTS}),
    "a contact lost": (lambda day: day.observed.properties.pop(subscriber(day)), {CONTACTS}),
    "a member too many": (lambda day: values(day).update(recent_buyers=True), {CONTACTS}),
    "another lifetime value": (lambda day: buyer(day).update(lifetime_value=1.0), {CONTACTS}),
    "not on the list": (lambda day: day.observed.subscribed.pop(subscriber(day)), {LIST}),
    "a stranger on the list": (
        lambda day: day.observed.subscribed.update({"otto@example.com": True}),
        {LIST},
    ),
    "an unsubscribe unasked": (lambda day: day.observed.subscribed.update({subscriber(day): False}), {LIST}),
    "subscribed again": (
        lambda day: day.observed.subscribed.update({day.expected.unsubscribed: True}),
        {LIST},
    ),
    "the old address": (lambda day: day.observed.subscribed.update({day.expected.old_email: True}), {LIST}),
    "mail unwanted": (lambda day: open_event(day, day.expected.unsubscribed), {MAIL, WAREHOUSE}),
    "mail to the old address": (lambda day: open_event(day, day.expected.old_email), {MAIL, WAREHOUSE}),
    "a track lost": (lambda day: day.observed.tracks.pop(), {TRACKS}),
    "a track too many": (
        lambda day: day.observed.tracks.append({**day.observed.tracks[0], "messageId": "m"}),
        {TRACKS},
    ),
    "another userId": (lambda day: day.observed.tracks[0].update(userId="u-9"), {TRACKS}),
    "another name": (lambda day: day.observed.tracks[0].update(event="Email Opened"), {TRACKS}),
    "no revenue after a click": (lambda day: day.observed.query_rows["revenue"].clear(), {WAREHOUSE}),
    "another click": (
        lambda day: day.observed.query_rows["clicked"].append({"email": "somebody@example.com"}),
        {WAREHOUSE},
    ),
    "never entered": (lambda day: setattr(day.observed, "entered_at", None), {LEAVER}),
    "entered too late": (
        lambda day: setattr(day.observed, "entered_at", day.expected.leaves_at),
        {LEAVER},
    ),
    "never left": (lambda day: setattr(day.observed, "left_at", None), {LEAVER}),
    "left too early": (
        lambda day: setattr(day.observed, "left_at", day.expected.leaves_at - timedelta(milliseconds=1)),
        {LEAVER},
    ),
    "a call": (lambda day: day.observed.calls_for_repetition.update({"POST contact": 1}), {REPETITION}),
    "pending": (lambda day: mailjet(day).update(pending=1), {TOTALS}),
    "unbalanced": (lambda day: mailjet(day).update(balanced=False), {TOTALS}),
    "paused": (lambda day: mailjet(day).update(state="paused"), {TOTALS}),
    "calls lost": (lambda day: mailjet(day).update(received=1), {TOTALS}),
    "a failure more": (lambda day: mailjet(day)["reasons"]["failed"].update(INVALID_PROPERTY=1), {TOTALS}),
    "nothing filtered": (lambda day: mailjet(day)["reasons"]["filtered"].clear(), {TOTALS}),
}


@pytest.mark.parametrize(("spoil", "expected"), SPOILERS.values(), ids=SPOILERS)
def test_a_promise_is_broken_as_soon_as_its_part_is(
    day: Any, spoil: Callable[[Any], object], expected: set[int]
) -> None:
    spoil(day)
    assert broken(day) == expected


def test_the_same_track_twice_counts_once(day: Any) -> None:
    """Jetbridge promises at least once; Segment knows repetitions by their messageId."""
    day.observed.tracks.append(day.observed.tracks[0])
    assert broken(day) == set()


def test_of_many_differences_the_first_three_are_shown(day: Any) -> None:
    day.observed.properties.clear()
    differences = checks(day.expected, day.observed)[CONTACTS].differences
    assert len(differences) == 4
    assert differences[3].startswith("and ")
