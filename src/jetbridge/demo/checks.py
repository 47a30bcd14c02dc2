"""What the demo promises, each promise checked against what Mailjet, Segment and the warehouse hold in the end; pure functions."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from jetbridge.demo.scenario import AUDIENCE, TRAIT, Expected

#: Mailjet's events in the words of Segment's Email spec.
EVENT_NAMES = {
    "sent": "Email Delivered",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "bounce": "Email Bounced",
    "blocked": "Email Blocked",
    "spam": "Email Marked as Spam",
    "unsub": "Unsubscribed",
}
SHOWN_DIFFERENCES = 3


@dataclass
class Observed:
    """What was read from outside. By address: contact `properties`, and whether a contact of the list is `subscribed`.

    `status` is what `jetbridge status --json` prints, `query_rows` the rows of the queries of `jetbridge warehouse queries --run`, by name.
    """

    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscribed: dict[str, bool] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    query_rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls_for_repetition: Counter[str] = field(default_factory=Counter)
    #: When Mailjet first had that somebody is in the audience, and then that they are not any more.
    entered_at: datetime | None = None
    left_at: datetime | None = None


class Check(NamedTuple):
    """`differences` is empty if the promise is kept."""

    promise: str
    differences: list[str]


def checks(expected: Expected, observed: Observed) -> list[Check]:
    events = observed.events
    mailed = {event["email"] for event in events}
    gone = {
        event["email"] for event in events if event["event"] in {"unsub", "spam"} or event.get("hard_bounce")
    } | {expected.unsubscribed}
    emitted = Counter(
        (
            EVENT_NAMES[event["event"]],
            event["email"],
            expected.user_ids.get(event["email"], "(nobody)"),
            str(event["MessageID"]),
            str(event.get("url", "")),
        )
        for event in events
    )
    # At least once is promised; Segment keeps one of several with the same messageId, and so does this.
    arrived = Counter(
        (
            track["event"],
            track["context"]["traits"]["email"],
            track.get("userId") or "(nobody)",
            track["properties"]["email_id"],
            track["properties"].get("link_url", ""),
        )
        for track in {track["messageId"]: track for track in observed.tracks}.values()
    )
    # Counted from what the sandbox has sent and the shop has sold; and the same as the warehouse has it.
    sent, opened = (
        {event["MessageID"] for event in events if event["event"] == kind} for kind in ("sent", "open")
    )
    clicked = {event["email"] for event in events if event["event"] == "click"}
    buyers = {expected.user_ids.get(email, "") for email in clicked}
    warehouse: dict[str, Any] = {
        "delivered": len(sent),
        "opened": len(opened & sent),
        "clicked": len(clicked),
        "revenue": float(sum(paid for user_id, paid in expected.revenue.items() if user_id in buyers)),
    }
    rates, clicks, revenue = (
        observed.query_rows.get(name, []) for name in ("open_rate", "clicked", "revenue")
    )
    queried: dict[str, Any] = {
        "delivered": sum(row["delivered"] for row in rates),
        "opened": sum(row["opened"] for row in rates),
        "clicked": len({row["email"] for row in clicks}),
        "revenue": sum((float(row["revenue"]) for row in revenue), 0.0),
    }
    left = observed.left_at
    late = f"{(left - expected.leaves_at).total_seconds():.1f} s after" if left else "not when"
    in_time = {
        "entered in time": bool(observed.entered_at and observed.entered_at < expected.leaves_at),
        "left, and not too early": bool(left and left >= expected.leaves_at),
    }
    mailjet = next(row for row in observed.status["destinations"] if row["kind"] == "mailjet")
    outcomes = ("received", "delivered", "filtered", "failed", "pending")
    promises = {
        f"{len(expected.traits)} contacts in Mailjet equal what Segment knows of them, "
        f"{AUDIENCE} and {TRAIT} of {len(expected.revenue)} buyers among it": _compare(
            expected.properties, {email: observed.properties.get(email, {}) for email in expected.properties}
        ),
        f"They are on the list, and nobody else is; {len(gone)} have unsubscribed, and stay so": _compare(
            {email: email not in gone for email in expected.traits}, observed.subscribed
        ),
        f"{expected.unsubscribed} unsubscribed and {expected.old_email} moved before the campaign: neither got mail": _compare(
            {}, dict.fromkeys({expected.unsubscribed, expected.old_email} & mailed, "mailed")
        ),
        f"{len(events)} email events are back as track calls, each with its userId": _compare(
            emitted, arrived
        ),
        "The warehouse says: {opened} of {delivered} mails opened, {clicked} people clicked, {revenue:.2f} EUR within seven days "
        "of a click".format(**warehouse): _compare(warehouse, queried),
        f"{expected.leaver} entered with an order nearly 30 days old, and left {late} these were over": _compare(
            dict.fromkeys(in_time, True), in_time
        ),
        "Everybody sent again, nothing new: no call to Mailjet": _compare({}, observed.calls_for_repetition),
        "{} calls = {} delivered + {} filtered + {} failed + {} pending".format(
            *(mailjet[outcome] for outcome in outcomes)
        ): _totals(expected, observed.status["destinations"]),
    }
    result = []
    for promise, compared in promises.items():
        differences = list(compared)
        more = len(differences) - SHOWN_DIFFERENCES
        rest = [f"and {more} more"] if more > 0 else []
        result.append(Check(promise, differences[:SHOWN_DIFFERENCES] + rest))
    return result


def _compare(expected: Mapping[Any, Any], actual: Mapping[Any, Any], subject: str = "") -> Iterator[str]:
    for key in sorted(expected.keys() | actual.keys()):
        left, right = expected.get(key), actual.get(key)
        name = " ".join(key) if isinstance(key, tuple) else f"{subject}{key}"
        if isinstance(left, dict) and isinstance(right, dict):
            yield from _compare(left, right, f"{name}: ")
        # True == 1 and 1 == 1.0 in Python, not at Mailjet.
        elif left != right or type(left) is not type(right):
            yield f"{name} is {right!r}, not {left!r}"


def _totals(expected: Expected, destinations: list[dict[str, Any]]) -> Iterator[str]:
    right = {
        "received": expected.received,
        "delivered": expected.received - expected.filtered.total() - expected.failed.total(),
        "filtered": dict(expected.filtered),
        "failed": dict(expected.failed),
    }
    for row in destinations:
        if row["kind"] == "mailjet":
            actual = {"received": row["received"], "delivered": row["delivered"], **row["reasons"]}
            yield from _compare(right, actual, "Mailjet: ")
        if row["pending"] or not row["balanced"] or row["state"] != "running":
            yield f"{row['name']}: {row['state']}, {row['pending']} pending, balanced: {row['balanced']}"
