"""A replay cannot overwrite newer values: it leaves the contact state as the live messages made it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from tests import makers as mk
from tests.fuzz import WITH_IO, fuzz

from jetbridge.delivery import ledger, replay, retry_queue
from jetbridge.delivery.base import DeliveryCounts, DeliveryItem
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import Outcome, Replay, destination_consumer
from jetbridge.eventlog.base import PositionRange
from jetbridge.integrations.mailjet.contacts import consent
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import load_contacts, user_ids
from jetbridge.integrations.mailjet.contacts.merge import MailjetDestination
from jetbridge.integrations.mailjet.contacts.state import Delivered, decode_desired, difference
from jetbridge.integrations.mailjet.models import Contact as ContactRow
from jetbridge.integrations.mailjet.models import Person
from jetbridge.integrations.mailjet.sync.results import ContactUpdateResult, acknowledge
from jetbridge.privacy.models import Erasure
from jetbridge.spec.message import EngageTarget, Message

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
ACCOUNTS = count(1)


class Call(NamedTuple):
    user: str | None
    traits: dict[str, Any]
    at: int
    action: str = "addnoforce"
    list_id: int = 1
    #: A call of Engage about the trait of this name; with `target` of ours.
    key: str = ""
    target: EngageTarget | None = None


class Step(NamedTuple):
    """Live calls that come in one batch; opt-outs that are learned; then spans of what came so far, replayed."""

    calls: list[Call]
    opt_outs: list[OptOut]
    settled: bool
    replays: list[tuple[int, int]]


EMAILS = mk.sampled_from(["a@x.io", "b@x.io", "c@x.io"])
TRAITS = mk.optional(
    email=EMAILS,
    p=mk.one_of(mk.just(None), mk.integers(0, 2)),
    q=mk.booleans(),
    unsubscribed=mk.booleans(),
)
CALLS = mk.builds(
    Call,
    mk.sampled_from([None, "u1", "u2", "u3"]),
    TRAITS,
    mk.integers(0, 9),
    mk.sampled_from(["addnoforce", "addnoforce", "addforce", "unsub", "remove"]),
    mk.integers(1, 2),
)
OPT_OUTS = mk.builds(
    OptOut,
    EMAILS,
    mk.sampled_from([NOON_MS + at * 1_000 for at in range(10)]),
    mk.sampled_from([None, 1]),
    mk.booleans(),
)
SPANS = mk.tuples(mk.integers(0, 12), mk.integers(1, 12))
STEPS = mk.builds(
    Step,
    mk.lists(CALLS),
    mk.lists(OPT_OUTS, most=1),
    mk.booleans(),
    mk.lists(SPANS, most=3),
)


class MergedState:
    """Contact state of an account of its own, made by the real destination."""

    def __init__(self) -> None:
        self.account = next(ACCOUNTS)
        self.items: list[DeliveryItem] = []
        self._destination = MailjetDestination(1, self.account, 1, workspace=1, now=lambda: 1)

    def live(self, calls: list[Call]) -> None:
        new = [DeliveryItem(len(self.items) + n, _message(call)) for n, call in enumerate(calls)]
        self.items += new
        self.deliver(new)

    def deliver(self, items: list[DeliveryItem]) -> None:
        self._destination.deliver(items, _Progress())

    def settle(self) -> None:
        """Mailjet accepts everything that there is to send."""
        emails = ContactRow.objects.filter(account_id=self.account).values_list("email", flat=True)
        with acknowledge(self.account, 1) as work:
            for contact in load_contacts(self.account, emails).values():
                change = difference(contact.desired, contact.delivered)
                told = Delivered(change.values, {}, change.lists, change.name) if change else Delivered()
                work.confirm(
                    contact,
                    ContactUpdateResult(
                        contact.email, contact.pending, told, superseded=list(contact.desired.superseded)
                    ),
                )

    def contacts(self) -> dict[str, Any]:
        rows = ContactRow.objects.filter(account_id=self.account)
        return {row.email: _comparable(bytes(row.desired)) for row in rows}

    def people(self) -> dict[str, Any]:
        rows = Person.objects.filter(account_id=self.account)
        return {
            row.user_id: (row.email, row.email_time, row.profile and _comparable(bytes(row.profile)))
            for row in rows
        }

    def due(self) -> list[str]:
        return list(
            ContactRow.objects.filter(account_id=self.account, next_attempt_at__isnull=False).values_list(
                "email", flat=True
            )
        )


class _Progress:
    @contextmanager
    def commit(self) -> Iterator[DeliveryCounts]:
        with transaction.atomic():
            yield DeliveryCounts()


def _message(call: Call) -> Message:
    moment = NOON + timedelta(seconds=call.at)
    if call.key:
        return Message(
            type="identify",
            message_id="m",
            timestamp=moment,
            received_at=moment,
            user_id=call.user,
            traits=call.traits,
            context={"personas": {"computation_key": call.key}},
            engage=call.target,
        )
    return Message(
        type="identify",
        message_id="m",
        timestamp=moment,
        received_at=moment,
        user_id=call.user,
        traits=call.traits,
        integrations={"Mailjet": {"action": call.action, "listId": call.list_id}},
    )


def _comparable(row: bytes) -> dict[str, Any]:
    """A desired state, with the time of each value; `time` itself only stands for the times of values."""
    desired = decode_desired(row)
    values = {name: (value, desired.older.get(name, desired.time)) for name, value in desired.values.items()}
    rest = {
        name: getattr(desired, name)
        for name in desired.__struct_fields__
        if name not in {"time", "values", "older"}
    }
    return {**rest, "values": values}


@fuzz(WITH_IO, steps=mk.lists(STEPS, least=1))
def test_replays_of_any_span_at_any_time_leave_the_state_that_live_messages_made(
    home: Any, steps: list[Step]
) -> None:
    with transaction.atomic():
        live, replayed = MergedState(), MergedState()
        for step in steps:
            for merged in (live, replayed):
                merged.live(step.calls)
                consent.learn(merged.account, step.opt_outs, 1)
                if step.settled:
                    merged.settle()
            for start, length in step.replays:
                replayed.deliver(replayed.items[start : start + length])
        assert replayed.contacts() == live.contacts()
        assert replayed.people() == live.people()
        transaction.set_rollback(True)


@fuzz(WITH_IO, batches=mk.lists(mk.lists(CALLS)))
def test_a_replay_of_everything_leaves_nothing_to_say(home: Any, batches: list[list[Call]]) -> None:
    with transaction.atomic():
        merged = MergedState()
        for calls in batches:
            merged.live(calls)
        merged.settle()
        assert merged.due() == []
        merged.deliver(merged.items)
        assert merged.due() == []
        transaction.set_rollback(True)


def test_the_last_user_to_speak_stays_the_last(home: Any) -> None:
    """Promise 8: email events go back to that user; a replay of another one must not change that."""
    merged = MergedState()
    merged.live([Call("u1", {"email": "a@x.io"}, 1)])
    merged.live([Call("u2", {"email": "a@x.io"}, 2)])
    merged.deliver(merged.items[:1])
    assert user_ids(merged.account, ["a@x.io"]) == {"a@x.io": "u2"}


def test_a_batch_of_which_routing_left_nothing_reads_nothing(home: Any) -> None:
    merged = MergedState()
    with CaptureQueriesContext(connection) as queries:
        merged.deliver([])
    assert {query["sql"].split()[0] for query in queries} <= {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"}


def test_replaying_everything_costs_no_call(started: Any) -> None:
    for n in range(30):
        started.send(f"u{n}", {"email": f"p{n}@b.com", "n": n, "plan": "free"})
    started.send("u1", {"email": "new@b.com"})
    started.send("u2", {"plan": "pro", "note": None})
    started.send("u3", {"unsubscribed": True})
    started.send("u4", {}, integrations={"Mailjet": {"action": "unsub"}})
    started.send("u4", {}, integrations={"Mailjet": {"action": "addforce"}})
    started.send("u5", {"email": "no address"})
    before = started.settle()
    started.reset_calls()
    row = replay.request(started.destination.id, PositionRange(0, started.log.counts().end), None, 36)
    _until_ended(row)
    after = started.settle()
    assert started.calls() == {}
    assert (after.received, after.replayed, after.pending) == (72, 36, 0)
    assert (after.delivered, after.failed) == (2 * before.delivered, 2 * before.failed)


def test_a_contact_that_mailjet_refused_is_told_again_after_its_cause_was_mended(started: Any) -> None:
    missing = started.list_id + 1
    started.log.append(
        [
            started.identify("u1", {"email": "a@b.com", "plan": "pro"}, settings={"listId": missing}),
            started.identify("u1", {"age": 40}, settings={"listId": missing}),
        ]
    )
    assert started.settle().failed == 2
    assert started.delivery_records() == [("LIST_NOT_FOUND", "a@b.com", 2)]
    assert started.mailjet.create_contactslist("Found again").id == missing
    done = retry_queue.retry(started.destination.id, Choice(reason="LIST_NOT_FOUND"), started.log)
    assert done == retry_queue.Retried(messages=2, lost=0)
    row = started.settle()
    assert (row.delivered, row.failed, row.received) == (2, 0, 2)
    assert started.properties("a@b.com") == {"plan": "pro", "age": 40}


def test_a_replay_forgets_nobody_by_an_old_delete_call(bridge: Any) -> None:
    bridge.send("u1", {"email": "a@b.com"})
    bridge.send_delete("u1")
    ledger.move(destination_consumer(bridge.destination.id), bridge.log.counts().end)
    row = replay.request(bridge.destination.id, PositionRange(0, bridge.log.counts().end), None, 2)
    bridge.start()
    _until_ended(row)
    while not bridge.mailjet.contact("a@b.com"):
        time.sleep(0.02)
    assert list(Erasure.objects.all()) == []
    assert list(Outcome.objects.filter(outcome="filtered").values_list("reason", "total")) == [
        ("NOT_REPLAYED", 1)
    ]


def _until_ended(row: Replay, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while row.ended_at is None:
        assert time.monotonic() < deadline, row
        time.sleep(0.02)
        row.refresh_from_db()


def test_a_replay_does_not_bring_back_an_unsubscribe_that_an_addforce_took_back(home: Any) -> None:
    address = {"email": "b@x.io"}
    merged = MergedState()
    for call in (
        Call(None, address, 1, "addforce"),
        Call(None, {**address, "unsubscribed": True}, 0),
        Call("u1", address, 2),
    ):
        merged.live([call])
    before = merged.contacts()
    merged.deliver(merged.items[1:])
    assert merged.contacts() == before
