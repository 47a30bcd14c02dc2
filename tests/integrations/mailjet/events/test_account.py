"""Each email event is a call, repeated or failed, whatever happens: repetitions, bad events, crashes, restarts, retries."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from threading import Event
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jetbridge.control.models import Source, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.models import source_consumer
from jetbridge.delivery.report import SourceReport, sources
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.events.reader import EmailEventReader, retry_failed
from jetbridge.spec.message import decode

from .test_reader import NoNames, event

_numbers = count(1)


class UntilIdle(Event):
    """Set as soon as the reader has nothing to do."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


class Account:
    """One source, its reader, and the figures that people see."""

    def __init__(self, log: SqliteEventLog) -> None:
        self.log = log
        workspace = Workspace.objects.create(name=f"Shop {next(_numbers)}")
        self.source: Source = workspace.sources.create(name="Mailjet events", kind="mailjet")
        ledger.begin(source_consumer(self.source.id), log.counts())
        #: Whether opt-outs cannot be remembered: their events fail.
        self.fails = False
        self.received = 0
        self.restart()

    def restart(self) -> None:
        def learn(opt_outs: list[OptOut]) -> list[OptOut]:
            return opt_outs if self.fails else []

        self.reader = EmailEventReader(
            event_log=self.log, source=self.source.id, user_ids=lambda _: {}, learn=learn, names=NoNames()
        )

    def receive(self, *events: dict[str, Any]) -> None:
        self.received += len(events)
        self.log.append(
            [Entry(self.source.id, EMAIL_EVENT, 1_000, msgspec.json.encode(each)) for each in events]
        )

    def read(self) -> None:
        self.reader.run(UntilIdle())

    def crash(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The worker dies after calls were appended, and before the position is stored; another one starts."""
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "count_events", _die)
            with suppress(SystemExit):
                self.read()
        self.restart()

    def retry(self) -> None:
        retry_failed(self.log, self.source.id)

    @property
    def report(self) -> SourceReport:
        (row,) = [row for row in sources(self.log.counts()) if row.id == self.source.id]
        return row

    def check(self) -> None:
        row = self.report
        assert row.email_events == self.received
        assert row.email_events == row.messages + row.repeated + row.failed_events, row


def _die(*_: object, **__: object) -> None:
    raise SystemExit


def _event(number: int) -> dict[str, Any]:
    """The third is an opt-out, which may fail; the last one is no event that belongs to anybody."""
    kinds: Iterable[dict[str, Any]] = (
        event(MessageID=1),
        event(MessageID=2),
        event(MessageID=3, event="unsub"),
        event(MessageID=4, event="unsub", email="bob@example.com"),
        event("", MessageID=5),
    )
    return list(kinds)[number]


_STEPS = st.lists(
    st.one_of(
        st.lists(st.integers(0, 4), min_size=1, max_size=6).map(lambda numbers: ("receive", numbers)),
        st.sampled_from(["read", "crash", "restart", "fail", "mend", "retry"]).map(lambda name: (name, [])),
    ),
    max_size=14,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_received_is_made_and_repeated_and_failed(
    event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, list[int]]]
) -> None:
    account = Account(event_log)
    actions: dict[str, Callable[[], None]] = {
        "read": account.read,
        "crash": lambda: account.crash(monkeypatch),
        "restart": account.restart,
        "fail": lambda: setattr(account, "fails", True),
        "mend": lambda: setattr(account, "fails", False),
        "retry": account.retry,
    }
    for name, numbers in steps:
        if name == "receive":
            account.receive(*map(_event, numbers))
        else:
            actions[name]()
    account.read()
    account.check()
    account.fails = False
    account.retry()
    account.read()
    account.check()


def test_an_event_that_failed_and_is_read_again_was_received_once(event_log: SqliteEventLog) -> None:
    account = Account(event_log)
    account.fails = True
    account.receive(_event(0), _event(2), _event(0))
    account.read()
    row = account.report
    assert (row.email_events, row.messages, row.repeated, row.failed_events) == (3, 1, 1, 1)
    account.retry()
    account.read()
    row = account.report
    assert (row.email_events, row.messages, row.repeated, row.failed_events) == (3, 1, 1, 1), (
        "it failed again"
    )
    account.fails = False
    account.retry()
    account.read()
    row = account.report
    assert (row.email_events, row.messages, row.repeated, row.failed_events) == (3, 2, 1, 0)


def test_a_crash_appends_nothing_twice(event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(event_log)
    account.receive(_event(0))
    account.read()
    account.receive(_event(0), _event(1), _event(4))
    account.crash(monkeypatch)
    account.crash(monkeypatch)
    account.receive(_event(1))
    account.read()
    account.check()
    types = [row.type for row in event_log.read(0) if row.type != EMAIL_EVENT]
    assert sorted(types) == [INVALID, "track", "track", "track"], (
        "a worker that starts anew knows no earlier ones"
    )
    ids = [decode(row.body).message_id for row in event_log.read(0) if row.type == "track"]
    assert len(set(ids)) == 2
