"""Why somebody did not get an audience or a computed trait at a destination: three questions, and what to do.

Is the person in it? Was that sent? What became of the call at the destination? The first answer that is in the way is the
answer to all.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from django.conf import settings

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination
from jetbridge.delivery.base import DELIVERED, FAILED, FILTERED
from jetbridge.delivery.log_reader import position_before
from jetbridge.delivery.trace import PENDING, DeliveryStatus
from jetbridge.engage import explaining, queries, store
from jetbridge.engage.definition import Computed, empty_value, parse
from jetbridge.engage.explaining import PersonExplained
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.engage.outbox import is_same, message_id_of
from jetbridge.engage.people import Person
from jetbridge.engage.queries import ComputationItem
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.eventlog.search import with_message_id
from jetbridge.identity.identifiers import EMAIL
from jetbridge.integrations import reasons, registry
from jetbridge.spec.emails import normalise
from jetbridge.spec.message import Message, decode_or_none
from jetbridge.spec.person import Identity
from jetbridge.text import pluralize, quoted

#: `unknown`: the answer would take longer than a person waits.
Verdict = Literal["yes", "no", "waiting", "unknown"]

#: How long the log is searched for the calls, in what steps, and how many are shown.
_SECONDS, _STEP, _CALLS = 1.0, 5_000, 5
#: Processes append side by side: records this near may stand before the moment at which a call was appended.
_NEAR = 1_000


@dataclass(frozen=True)
class Finding:
    """To one of the questions. `why`: what decides it, point by point. `fix`: what can be done, and `place` where: "" or
    the name of a page. `position`: of the call in the log of Engage's source, if it is about one.
    """

    question: str
    verdict: Verdict
    text: str
    why: Sequence[str] = ()
    fix: str = ""
    place: Literal["", "audience", "engage", "destination"] = ""
    position: int = 0


@dataclass(frozen=True)
class Diagnosis:
    """`explained` is None where the person is unknown or the computation took too long."""

    computation: Computation
    destination: Destination
    findings: Sequence[Finding]
    explained: PersonExplained | None = None

    @property
    def decisive(self) -> Finding:
        """The first that is in the way; the last one where nothing is."""
        return next((finding for finding in self.findings if finding.verdict != "yes"), self.findings[-1])


def diagnose(event_log: EventLog, person: Person, row: Computation, destination: Destination) -> Diagnosis:
    """Asks no other side. Bounded in time."""
    space = Space.objects.select_related("workspace").get(id=row.space_id)
    stored, item = _stored(space, person, row, destination), queries.computation(row)
    explained: PersonExplained | None = None
    try:
        explained = explaining.explain(space, f"segment_id:{person.profile.segment_id}", of=row)
        membership = _membership(row, person, explained)
    except store.QueryTimeoutError as error:
        membership = Finding(_question(row), "unknown", str(error))
    if item.awaits_history:
        text = "The history is being loaded, and nobody is evaluated before that is done. What has changed is sent then."
        membership = Finding(_question(row), "waiting", text, place="engage")
    findings = [membership, _sending(space, item, destination, stored)]
    ref = directory.destination(destination.id)
    if stored.sent and ref:
        calls = _find_calls(event_log, space.source_id, stored.sent)
        findings += [_outcome(ref, destination, row, sent, calls.get(sent)) for sent in stored.sent[:_CALLS]]
    return Diagnosis(row, destination, findings, explained)


# ---- is the person in it?


def _question(row: Computation) -> str:
    return "Is the person in it?" if _is_audience(row) else "Is there a value?"


def _membership(row: Computation, person: Person, explained: PersonExplained | None) -> Finding:
    if explained is None:
        return Finding(_question(row), "no", f"{person.name} is not known any more.")
    if explained.excluded:
        fix = "Create it with “Include anonymous people”, or have the person identified with a userId or an address."
        return Finding(
            _question(row), "no", f"{person.name} is left out of {row}.", [explained.excluded], fix
        )
    if not _is_audience(row):
        text = f"{row} of {person.name} is {quoted(explained.value, 200)}."
        if not explained.member and explained.value is None:
            text = f"{row} has no value for {person.name}."
        return Finding(_question(row), "yes" if explained.member else "no", text, explained.why)
    text = f"{person.name} is {'in' if explained.member else 'not in'} {row}."
    fix = "" if explained.member else "If that is wrong, look at the condition, and at the events below."
    return Finding(_question(row), "yes" if explained.member else "no", text, explained.why, fix, "audience")


# ---- was it sent?


class _SentValue(NamedTuple):
    """`name` is what the call was for: an address, a userId, an anonymousId; `value` JSON, `at` ms."""

    name: str
    is_email: bool
    value: str
    at: int
    message_id: str


@dataclass(frozen=True)
class _Stored:
    """What the worker has: the value (JSON) that is true, what the destination was sent, what waits to be appended to the log,
    and whether a first sync that goes on has not come to the person.
    """

    value: str
    #: That of somebody without events, who is not sent before a first value.
    empty: str
    sent: Sequence[_SentValue] = ()
    waiting: Sequence[_SentValue] = ()
    is_before_sync: bool = False


def _stored(space: Space, person: Person, row: Computation, destination: Destination) -> _Stored:
    segment_id = person.profile.segment_id
    parsed = parse(row.computation_class, row.definition, retention_days=space.retention_days)
    empty = empty_value(parsed) if isinstance(parsed, Computed) else "false"
    with store.open_for_reading(settings.CONFIG.home, space.workspace_id) as connection:
        profile = connection and store.find_profile(connection, f"segment_id:{segment_id}")
        if not (connection and profile):
            return _Stored(empty, empty)
        place = [row.key, destination.id, profile]
        of = "WHERE key = ? AND destination = ? AND profile = ?"
        sent, waiting = (
            connection.execute(f"SELECT identifier, value, at FROM {table} {of}", place).fetchall()
            for table in ("sent", "outbox")
        )
        before = connection.execute(
            "SELECT 1 FROM sync_run WHERE key = ? AND destination = ? AND place < ?", place
        ).fetchone()
        value = connection.execute(
            "SELECT iif(member, 'true', 'false') FROM membership WHERE audience = :key AND profile = :profile"
            " UNION ALL SELECT value FROM computed WHERE trait = :key AND profile = :profile",
            {"key": row.key, "profile": profile},
        ).fetchone()

    def sent_value(identifier: str, value: str, at: int) -> _SentValue:
        type_, _, name = identifier.partition(":")
        id_ = message_id_of(space.space_id, row.key, destination.id, (profile, identifier, value, at))
        return _SentValue(name or segment_id, type_ == EMAIL, value, at, id_)

    return _Stored(
        value[0] if value else empty,
        empty,
        [sent_value(*columns) for columns in sent],
        [sent_value(*columns) for columns in sent if columns in waiting],
        before is not None,
    )


_SENT: Final = "Was it sent?"


def _sending(  # noqa: PLR0911 - each is a place on the way
    space: Space, item: ComputationItem, destination: Destination, stored: _Stored
) -> Finding:
    row = item.row
    activated = next((there for there in item.destinations if there.id == destination.id), None)
    if activated is None:
        fix = "Activate it for this destination."
        return Finding(_SENT, "no", f"{row} is not sent to {destination}.", (), fix, "audience")
    if not space.enabled:
        return Finding(_SENT, "no", "Engage is off: nothing is sent.", (), "Turn Engage on.", "engage")
    if not row.enabled:
        return Finding(_SENT, "no", f"{row} is disabled: nothing is sent.", (), "Enable it.", "audience")
    if item.state == "failed":
        fix = "Change its definition."
        return Finding(_SENT, "no", f"{row} cannot be computed: {item.error}", (), fix, "audience")
    if stored.waiting:
        return Finding(_SENT, "waiting", f"On its way: {_listed(stored.waiting)}.")
    if stored.is_before_sync:
        left = activated.first_sync.left if activated.first_sync else 0
        text = f"The first sync has not come to this person yet: {pluralize(left, 'person is', 'people are')} left."
        return Finding(_SENT, "waiting", text)
    if item.state == "computing":
        return Finding(_SENT, "waiting", f"{row} is being computed. What has changed is sent then.")
    if not stored.sent and stored.value in {stored.empty, "null"}:
        who = "members" if _is_audience(row) else "people with a value"
        text = f"{activated.name} was never sent anything of this person: a first sync is for {who} only."
        return Finding(_SENT, "no", text)
    if not stored.sent:
        return Finding(_SENT, "waiting", "It has just been computed, and is sent within seconds.")
    if any(not is_same(call.value, stored.value) for call in stored.sent):
        text = f"Sent last: {_listed(stored.sent)}. The new value {stored.value} follows."
        return Finding(_SENT, "waiting", text)
    return Finding(_SENT, "yes", f"{activated.name} was sent {_listed(stored.sent)}.")


def _listed(calls: Sequence[_SentValue]) -> str:
    return ", ".join(f"{call.value} for {call.name}" for call in calls)


# ---- what became of it?


def _outcome(
    ref: DestinationRef,
    destination: Destination,
    row: Computation,
    sent: _SentValue,
    call: tuple[Record, Message] | None,
) -> Finding:
    question = f"What became of it for {sent.name}?"
    status = None
    if call:
        try:
            status = registry.destination(ref.kind).traceable(ref).status(*call)
        except PauseError as error:
            status = DeliveryStatus(ref.name, PENDING, error.code, [str(error)])
    position = call[0].position if call else 0
    if status is None:
        text = "The call is not in the event log any more, or too far back to be looked for."
        return _at_destination(ref, row, sent, position) or Finding(question, "unknown", text)
    if status.outcome == DELIVERED:
        text = f"{destination} has taken it."
        return _at_destination(ref, row, sent, position, status.details) or Finding(
            question, "yes", text, status.details, position=position
        )
    if status.outcome == PENDING:
        fix = "" if destination.enabled else "The destination is disabled. Enable it."
        text = f"{destination} has not confirmed it yet."
        return Finding(question, "waiting", text, status.details, fix, "destination", position)
    if status.outcome not in {FILTERED, FAILED}:
        return Finding(
            question, "unknown", f"At {destination}: {status.outcome}.", status.details, position=position
        )
    help_ = reasons.reason(registry.destination(ref.kind), status.outcome, status.reason).help
    verb = "left it out" if status.outcome == FILTERED else "refused it"
    return Finding(
        question,
        "no",
        f"{destination} {verb}: {status.reason}.",
        status.details,
        help_,
        "destination",
        position,
    )


def _at_destination(
    ref: DestinationRef, row: Computation, sent: _SentValue, position: int, why: Sequence[str] = ()
) -> Finding | None:
    """What the destination's contact has, as it has confirmed it; None for a kind without contacts."""
    integration = registry.destination(ref.kind)
    contact_queries = integration.contact_queries(ref) if integration.has_contacts else None
    if contact_queries is None:
        return None
    name = integration.engage_property(ref, row.key) or row.key
    question = f"What became of it for {sent.name}?"
    for contact in contact_queries.find(Identity.of_name(sent.name)).contacts:
        if sent.is_email and normalise(contact.email) != normalise(sent.name):
            continue
        contact_property = next(
            (property_ for property_ in contact.properties if property_.name == name), None
        )
        if contact_property is None:
            continue
        at = f"the contact {contact.email}"
        if contact_property.rejection:
            text = f"{ref.name} refuses the value of {name} for {at}."
            return Finding(
                question, "no", text, [contact_property.rejection], _ASIDE, "destination", position
            )
        if contact_property.differs:
            text = f"{ref.name} has not confirmed {name} for {at} yet."
            return Finding(question, "waiting", text, why, "", "destination", position)
        text = f"{ref.name} has {name}: {json.dumps(contact_property.delivered)} for {at}."
        if is_same(json.dumps(contact_property.delivered), sent.value):
            return Finding(question, "yes", text, why, position=position)
        return Finding(question, "no", text, why, _OTHER_VALUE, "destination", position)
    return None


_ASIDE: Final = (
    "Change the Datatype of the property in Mailjet, or send the trait to another property in the mapping."
)
_OTHER_VALUE: Final = "A source sends a trait of the same name, which came later. Rename that trait."


def _find_calls(
    event_log: EventLog, source: int, sent: Sequence[_SentValue]
) -> dict[_SentValue, tuple[Record, Message]]:
    """The calls in the log, as far as they are found in time: a call is received at its moment or later."""
    until, end = time.monotonic() + _SECONDS, event_log.counts().end
    calls: dict[_SentValue, tuple[Record, Message]] = {}
    for call in sent[:_CALLS]:
        search = with_message_id([source], call.message_id)
        after = max(0, position_before(event_log, call.at) - _NEAR)
        while after < end and time.monotonic() < until and call not in calls:
            upto = min(after + _STEP, end)
            for record in event_log.find(search, after=after, upto=upto):
                if record.type == "identify" and (message := decode_or_none(record.body)):
                    calls[call] = record, message
            after = upto
    return calls


def _is_audience(row: Computation) -> bool:
    return row.computation_class == ComputationClass.AUDIENCE
