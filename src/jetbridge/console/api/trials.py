"""The Event Tester: a filter or a call, tried on a destination; and really sending the call."""

from typing import Any

import msgspec

from jetbridge.console.acts import event_tester
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Id
from jetbridge.console.api.mapping import ContactPreview, as_text, contact_shape
from jetbridge.console.api.refusal import Refused
from jetbridge.console.destinations import filter_trial
from jetbridge.console.destinations.rehearsal import rehearsed
from jetbridge.control.models import Destination, Source
from jetbridge.control.people import Role
from jetbridge.routing.filters import Filter, WrongFilters


class FilterTrial(msgspec.Struct):
    """What the filter would have done with recent messages. `examples` are messageIds of dropped ones."""

    looked_at: int
    dropped: int
    examples: list[str]


class CallWish(msgspec.Struct, forbid_unknown_fields=True):
    """`call` is as a library would send it. `source` is one of the destination's, by id; absent: its first."""

    call: dict[str, Any]
    source: Id | None = None


class RoutingStep(msgspec.Struct):
    """`passed` null: it was not reached."""

    title: str
    passed: bool | None
    code: str
    sentence: str


class TestedCall(msgspec.Struct):
    """`arrives`: routing lets it through. `receivers` are destinations, by id, that would get it if it was sent.

    `contact` is for identify calls to Mailjet; `request` is empty where it is not known beforehand. `warning`: what
    it does without.
    """

    arrives: bool
    trouble: str
    warning: str
    steps: list[RoutingStep]
    contact: ContactPreview | None
    request: str
    receivers: list[int]


class SentCall(msgspec.Struct):
    """`GET /trace` with this messageId tells what became of it."""

    message_id: str


@endpoint("POST", "destinations/<int:destination>/filters/try", Role.EDITOR)
def try_filter(caller: Caller, destination: int, body: Filter) -> FilterTrial:
    """What a filter would do with recent messages. Changes nothing."""
    row = own_destination(caller, destination)
    try:
        found = filter_trial.tried(row, body)
    except WrongFilters as error:
        raise Refused(422, str(error)) from None
    examples = [each.message.message_id for each in found.shown]
    return FilterTrial(found.total, len(found.dropped), examples)


@endpoint("POST", "destinations/<int:destination>/test", Role.EDITOR)
def test_call(caller: Caller, destination: int, body: CallWish) -> TestedCall:
    """What would become of a call: routing, contact, request. Sends nothing."""
    row = own_destination(caller, destination)
    tested = rehearsed(row, as_text(body.call), _source(row, body))
    steps = [RoutingStep(each.title, each.passed, each.code, each.sentence) for each in tested.steps]
    receivers = [ref.id for ref in tested.receivers]
    contact = contact_shape(tested.contact)
    return TestedCall(
        tested.arrives, tested.trouble, tested.warning, steps, contact, tested.request, receivers
    )


@endpoint("POST", "destinations/<int:destination>/test/send", Role.EDITOR, status=202)
def send_test(caller: Caller, destination: int, body: CallWish) -> SentCall:
    """Really send a call through its source, under a new messageId, to every destination that gets its messages."""
    row = own_destination(caller, destination)
    message_id, _ = event_tester.send(caller.actor, row, _source(row, body), as_text(body.call))
    return SentCall(message_id)


def _source(row: Destination, wish: CallWish) -> Source:
    sources = list(row.sources.order_by("name"))
    found = [each for each in sources if wish.source in {None, each.id}]
    if not found:
        which = f"source {wish.source}" if wish.source else "source at all"
        raise Refused(422, f"The destination has no {which}.")
    return found[0]
