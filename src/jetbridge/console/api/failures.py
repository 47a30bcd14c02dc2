"""Failures: which messages failed at a destination, what is known of each, and trying them again."""

from datetime import datetime
from typing import Any

import msgspec

from jetbridge.console.acts import deliveries
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Id, aware
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.api.refusal import Refused
from jetbridge.console.log import event_log
from jetbridge.control.people import Role
from jetbridge.delivery import exhibits, ledger
from jetbridge.delivery.exhibits import Choice
from jetbridge.delivery.models import ExhibitRow
from jetbridge.destinations import evidence


class FailuresQuery(Paging):
    """Times are when it failed. `person` is a userId or the address of a contact."""

    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    person: str | None = None


class Failure(msgspec.Struct):
    """`messages` is more than 1 where messages about one person merged."""

    id: int
    reason: str
    sentence: str
    message_id: str
    person: str
    position: int
    messages: int
    at: datetime


class FailureInFull(msgspec.Struct):
    """`message` is null where it is not kept any more; the last one where several merged. Secrets are masked."""

    failure: Failure
    message: dict[str, Any] | None
    request: str
    answer: str


class RetryWish(msgspec.Struct, forbid_unknown_fields=True):
    """Those that fit everything that is given. `all` is needed to mean all of them."""

    ids: list[Id] = []
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    person: str | None = None
    all: bool = False


class Retried(msgspec.Struct):
    """Messages that are `pending` again; those that are `lost`, in the log and as failures; and those counted,
    but `no_longer_kept` one by one: a replay reads them again.
    """

    pending: int
    lost: int
    no_longer_kept: int


@endpoint("GET", "destinations/<int:destination>/failures")
def list_failures(caller: Caller, destination: int, query: FailuresQuery) -> Page[Failure]:
    """Messages that failed at a destination, newest first. The last 10,000 of each reason are kept."""
    row = own_destination(caller, destination)
    choice = Choice((), query.reason, aware(query.since), aware(query.until), query.person)
    return page_of(choice.of(row.id, ledger.FAILED), query, _shape)


@endpoint("GET", "destinations/<int:destination>/failures/<int:failure>")
def get_failure(caller: Caller, destination: int, failure: int) -> FailureInFull:
    """All that is known of one failure: the message, what was sent, what was answered."""
    row = own_destination(caller, destination)
    exhibit = caller.own(Choice().of(row.id, ledger.FAILED), failure, "failure")
    with event_log() as log:
        found = evidence.of(exhibit, log)
    return FailureInFull(_shape(exhibit), *found)


@endpoint("POST", "destinations/<int:destination>/retry", Role.EDITOR)
def retry_failures(caller: Caller, destination: int, body: RetryWish) -> Retried:
    """Let failures be tried again, after their cause was mended."""
    row = own_destination(caller, destination)
    choice = _choice(body)
    done = deliveries.retry(caller.actor, row, choice)
    gone = 0 if body.ids else exhibits.no_longer_kept(row.id, ledger.FAILED, body.reason)
    return Retried(done.messages, done.lost, gone)


def _choice(wish: RetryWish) -> Choice:
    choice = Choice(tuple(wish.ids), wish.reason, aware(wish.since), aware(wish.until), wish.person)
    if not (wish.all or any(choice)):
        raise Refused(422, "Say which failures: ids, reason, since, until or person; or all: true.")
    return choice


def _shape(row: ExhibitRow) -> Failure:
    return Failure(
        row.id,
        row.reason,
        row.sentence,
        row.message_id,
        row.person,
        row.position,
        row.total,
        row.at,
    )
