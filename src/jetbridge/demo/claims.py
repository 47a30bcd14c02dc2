"""What the demo claims when it is over. Each claim is held against the evidence; pure functions."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from jetbridge.demo.evidence import OFF, ON, Evidence
from jetbridge.demo.story import AUDIENCE, TRAIT, Expected
from jetbridge.text import pluralize

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
#: Differences that are told of a false claim.
_TOLD = 3


class Claim(NamedTuple):
    """`wrong` names what differs; empty if the claim is true."""

    sentence: str
    wrong: list[str]

    @property
    def holds(self) -> bool:
        return not self.wrong


def claims(expected: Expected, found: Evidence) -> list[Claim]:
    mailed = {row["event"]["email"] for row in found.events}
    return [
        Claim(
            f"{len(expected.traits)} contacts in Mailjet equal what Segment knows of them",
            _told(_contacts(expected, found)),
        ),
        Claim("They are on the list, and nobody else is", _told(_members(expected, found))),
        Claim(
            f"{expected.unsubscribed} unsubscribed and got no campaign mail",
            _told(_unsubscribed(expected, found, mailed)),
        ),
        Claim(
            f"{expected.new_email} took over from {expected.old_email}",
            _told(_moved(expected, found, mailed)),
        ),
        Claim(
            f"{found.left_by_campaign or 'Somebody'} unsubscribed by email; a later identify did not undo it",
            _told(_left(found)),
        ),
        Claim(
            f"{len(found.events)} email events are back as track calls, each with its userId",
            _told(_tracks(expected, found)),
        ),
        Claim(_warehouse_sentence(found), _told(_warehouse(expected, found))),
        Claim(_buyers_sentence(expected), _told(_buyers(expected, found))),
        Claim(_leaver_sentence(expected, found), _told(_leaver(expected, found))),
        Claim("Everybody sent again, nothing new: no call to Mailjet", _told(_repetition(found))),
        Claim(_account_sentence(found), _told(_account(expected, found))),
    ]


def _told(differences: Iterator[str]) -> list[str]:
    every = list(differences)
    more = [f"and {len(every) - _TOLD} more"] if len(every) > _TOLD else []
    return every[:_TOLD] + more


def _contacts(expected: Expected, found: Evidence) -> Iterator[str]:
    for email, wanted in expected.properties.items():
        yield from _differences(email, wanted, found.properties.get(email, {}))
        name = " ".join(wanted[part] for part in ("firstname", "lastname") if part in wanted)
        if found.names.get(email) != name:
            yield f"{email}: its Name is {found.names.get(email)!r}, not {name!r}"


def _differences(email: str, wanted: dict[str, Any], has: dict[str, Any]) -> Iterator[str]:
    for name in sorted(wanted.keys() | has.keys()):
        left, right = wanted.get(name), has.get(name)
        # True == 1 and 1 == 1.0 in Python, not at Mailjet.
        if left != right or type(left) is not type(right):
            yield f"{email}: {name} is {right!r}, not {left!r}"


def _members(expected: Expected, found: Evidence) -> Iterator[str]:
    for email in sorted(expected.traits.keys() - found.members.keys()):
        yield f"{email} is not on the list"
    for email in sorted(found.members.keys() - expected.traits.keys()):
        yield f"{email} is on the list"
    gone = {row["event"]["email"] for row in found.events if _ends_mail(row["event"])}
    for email in sorted(expected.traits.keys() - gone - {expected.unsubscribed}):
        if found.members.get(email) == OFF:
            yield f"{email} is unsubscribed and never asked for it"


def _ends_mail(event: dict[str, Any]) -> bool:
    return event["event"] in {"unsub", "spam"} or bool(event.get("hard_bounce"))


def _unsubscribed(expected: Expected, found: Evidence, mailed: set[str]) -> Iterator[str]:
    if found.members.get(expected.unsubscribed) != OFF:
        yield f"{expected.unsubscribed} is not unsubscribed"
    if expected.unsubscribed in mailed:
        yield f"{expected.unsubscribed} got mail"


def _moved(expected: Expected, found: Evidence, mailed: set[str]) -> Iterator[str]:
    if found.members.get(expected.new_email) not in {ON, OFF} or expected.new_email not in mailed:
        yield f"{expected.new_email} is not on the list, or got no mail"
    if expected.old_email in found.members or expected.old_email in mailed:
        yield f"{expected.old_email} is still on the list, or got mail"


def _left(found: Evidence) -> Iterator[str]:
    if not found.left_by_campaign:
        yield "nobody unsubscribed"
    elif found.members.get(found.left_by_campaign) != OFF:
        yield f"{found.left_by_campaign} is subscribed again"


def _tracks(expected: Expected, found: Evidence) -> Iterator[str]:
    emitted = Counter(_of_event(row["event"], expected) for row in found.events)
    # At least once is promised; Segment keeps one of several with the same messageId, and so do we.
    arrived = Counter(_of_track(row) for row in {row["messageId"]: row for row in found.tracks}.values())
    if not emitted:
        yield "there were no email events"
    for event in (emitted - arrived).elements():
        yield f"{' '.join(event)} did not arrive"
    for event in (arrived - emitted).elements():
        yield f"{' '.join(event)} arrived and was not sent"


def _of_event(event: dict[str, Any], expected: Expected) -> tuple[str, ...]:
    email = event["email"]
    user_id = expected.user_ids.get(email, "(nobody)")
    return EVENT_NAMES[event["event"]], email, user_id, str(event["MessageID"]), str(event.get("url", ""))


def _of_track(track: dict[str, Any]) -> tuple[str, ...]:
    properties = track["properties"]
    return (
        track["event"],
        track["context"]["traits"]["email"],
        track.get("userId") or "(nobody)",
        properties["email_id"],
        properties.get("link_url", ""),
    )


def _warehouse_sentence(found: Evidence) -> str:
    mails, clickers, revenue = _warehouse_answers(found)
    return (
        f"The warehouse says: {mails[1]} of {mails[0]} mails opened, {len(clickers)} people clicked, "
        f"{revenue:.2f} EUR within seven days of a click"
    )


def _warehouse_answers(found: Evidence) -> tuple[tuple[int, int], set[str], float]:
    """Mails that were delivered and opened, who clicked, and the revenue."""
    rates, clicked, revenue = (found.answers.get(name, []) for name in ("open_rate", "clicked", "revenue"))
    mails = sum(row["delivered"] for row in rates), sum(row["opened"] for row in rates)
    return mails, {row["email"] for row in clicked}, sum(float(row["revenue"]) for row in revenue)


def _warehouse(expected: Expected, found: Evidence) -> Iterator[str]:
    """The same, counted from what the sandbox has sent and the shop has sold."""
    events = [row["event"] for row in found.events]
    delivered, opened = (
        {event["MessageID"] for event in events if event["event"] == kind} for kind in ("sent", "open")
    )
    clickers = {event["email"] for event in events if event["event"] == "click"}
    buyers = {expected.user_ids.get(email, "") for email in clickers}
    revenue = sum(paid for user_id, paid in expected.revenue.items() if user_id in buyers)
    wanted = (len(delivered), len(opened & delivered)), clickers, revenue
    if (answers := _warehouse_answers(found)) != wanted:
        yield f"it is {wanted[0][1]} of {wanted[0][0]} mails, {len(clickers)} people, {revenue:.2f} EUR"
        yield from sorted(answers[1] ^ clickers)


def _buyers_sentence(expected: Expected) -> str:
    recent = sum(expected.is_recent.values())
    return f"{recent} people have ordered within 30 days: {AUDIENCE} is true for them alone, {TRAIT} what they paid"


def _buyers(expected: Expected, found: Evidence) -> Iterator[str]:
    for email, user_id in sorted(expected.user_ids.items()):
        has = {name: found.properties.get(email, {}).get(name) for name in (AUDIENCE, TRAIT)}
        yield from _differences(email, {AUDIENCE: None, TRAIT: None} | expected.computed(user_id), has)


def _leaver_sentence(expected: Expected, found: Evidence) -> str:
    late = f"{(found.left_at - expected.leaves_at).total_seconds():.1f} s" if found.left_at else "not"
    return (
        f"{expected.leaver} entered with an order nearly 30 days old, and left {late} after these were over"
    )


def _leaver(expected: Expected, found: Evidence) -> Iterator[str]:
    if not found.entered_at or found.entered_at >= expected.leaves_at:
        yield f"{expected.leaver} has not entered in time"
    if not found.left_at:
        yield f"{expected.leaver} has not left"
    elif found.left_at < expected.leaves_at:
        yield f"{expected.leaver} left too early"


def _repetition(found: Evidence) -> Iterator[str]:
    for call, total in found.calls_for_repetition.items():
        yield f"{pluralize(total, 'call')} of {call}"


def _account_sentence(found: Evidence) -> str:
    row = found.destination("mailjet")
    return "{received} calls = {delivered} delivered + {filtered} filtered + {failed} failed + {pending} pending".format(
        **row
    )


def _account(expected: Expected, found: Evidence) -> Iterator[str]:
    wanted = {"filtered": dict(expected.filtered), "failed": dict(expected.failed)}
    delivered = expected.received - expected.filtered.total() - expected.failed.total()
    row = found.destination("mailjet")
    yield from _differences(
        "Mailjet",
        {"received": expected.received, "delivered": delivered},
        {name: row[name] for name in ("received", "delivered")},
    )
    yield from _differences("Mailjet", wanted, row["reasons"])
    if found.destination("segment")["delivered"] < len(found.events):
        yield f"Segment: {found.destination('segment')['delivered']} delivered"
    for row in found.account["destinations"]:
        if row["pending"] or not row["balanced"] or row["state"] != "running":
            yield f"{row['name']}: {row['state']}, {row['pending']} pending, balanced: {row['balanced']}"
