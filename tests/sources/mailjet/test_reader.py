import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from jetbridge.delivery import ledger
from jetbridge.eventlog.base import Entry, LogUnavailable, Record
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.mailjet.client import MailjetClient
from jetbridge.mailjet.events import EmailEvent
from jetbridge.sources.mailjet.names import NameLookup
from jetbridge.sources.mailjet.reader import EmailEventReader
from jetbridge.spec.message import decode

SOURCE = 5
READER = ledger.source_reader(SOURCE)
RECEIVED_MS = 1_790_000_000_000


class NoNames(NameLookup):
    def __init__(self) -> None:
        super().__init__(MailjetClient("http://127.0.0.1:9", "key", "secret"))

    def fetch(self, events: Iterable[EmailEvent]) -> None:
        pass


class NeverSet(Event):
    def is_set(self) -> bool:
        return False


@pytest.fixture
def asked() -> list[set[str]]:
    return []


@pytest.fixture
def reader(event_log: SqliteEventLog, asked: list[set[str]]) -> EmailEventReader:
    def user_ids(emails: Iterable[str]) -> dict[str, str]:
        asked.append(set(emails))
        return {"ann@example.com": "u-ann"}

    return EmailEventReader(
        event_log=event_log, source=SOURCE, user_ids=user_ids, learn=lambda _: None, names=NoNames()
    )


def event(email: str | None = "ann@example.com", **changes: Any) -> dict[str, Any]:
    return {"event": "open", "time": 1700000000, "MessageID": 2**62 + 1, "email": email} | changes


def test_events_become_tracks_of_the_same_source(
    reader: EmailEventReader, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    put(event(), event("BOB@Example.com "))
    records = read(reader, 2)
    assert [(row.source, row.type, row.received_at, row.error) for row in records] == [
        (SOURCE, "track", RECEIVED_MS, None)
    ] * 2
    ann, bob = (decode(row.body) for row in records)
    assert (ann.event, ann.user_id, ann.anonymous_id) == ("Email Opened", "u-ann", None)
    assert (bob.user_id, bob.anonymous_id) == (None, "bob@example.com")
    assert ann.received_at == datetime.fromtimestamp(RECEIVED_MS / 1000, UTC)
    assert ann.properties == {"email_id": str(2**62 + 1)}
    assert json.loads(records[0].body)["context"]["mailjet"]["MessageID"] == str(2**62 + 1)


def test_user_ids_are_asked_for_once_per_batch(
    reader: EmailEventReader,
    put: Callable[..., None],
    read: Callable[..., list[Record]],
    asked: list[set[str]],
) -> None:
    put(*(event(time=number) for number in range(100)), event("bob@example.com"))
    read(reader, 101)
    assert asked == [{"ann@example.com", "bob@example.com"}]


def test_other_sources_and_other_records_are_not_its_business(
    reader: EmailEventReader, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    put(event(), source=SOURCE + 1)
    put({"type": "track"}, kind="track")
    put(event("bob@example.com"))
    records = read(reader, 2, linger=0.1)
    assert len(records) == 2
    assert decode(records[1].body).anonymous_id == "bob@example.com"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "bad_request: This is no JSON"),
        (b'{"event":"delivered"}', 'bad_request: "delivered" is no event type of Mailjet.'),
        (json.dumps(event("")).encode(), "no_user_anon_id: The event names no email address"),
        (json.dumps(event(None)).encode(), "no_user_anon_id: The event names no email address"),
    ],
)
def test_what_is_no_event_is_kept_as_invalid_with_its_reason(
    reader: EmailEventReader,
    put: Callable[..., None],
    read: Callable[..., list[Record]],
    body: bytes,
    error: str,
) -> None:
    put(body, event())
    records = read(reader, 2)
    assert [row.type for row in records] == ["track", "invalid"]
    assert records[1].body == body
    assert records[1].error.startswith(error)


def test_an_address_that_is_none_still_names_somebody(
    reader: EmailEventReader, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    put(event("postmaster"))
    [record] = read(reader, 1)
    assert decode(record.body).anonymous_id == "postmaster"


def test_it_goes_on_where_it_stopped(
    reader: EmailEventReader, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    put(event())
    read(reader, 1)
    put(event(time=1700000001))
    assert len(read(reader, 2, linger=0.1)) == 2


def test_it_starts_where_the_account_was_set_up(
    reader: EmailEventReader,
    put: Callable[..., None],
    event_log: SqliteEventLog,
    read: Callable[..., list[Record]],
) -> None:
    put(event())
    ledger.begin(READER, event_log.counts())
    put(event("bob@example.com"))
    [record] = read(reader, 1)
    assert decode(record.body).anonymous_id == "bob@example.com"


def test_the_same_event_again_is_passed_on_under_the_same_message_id(
    reader: EmailEventReader, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    put(event(), event())
    first, second = (decode(row.body) for row in read(reader, 2))
    assert first.message_id == second.message_id


def test_a_crash_between_append_and_position_repeats_calls_and_loses_none(
    reader: EmailEventReader,
    put: Callable[..., None],
    read: Callable[..., list[Record]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(event(), event("bob@example.com"))
    with monkeypatch.context() as patch, pytest.raises(OSError, match="killed"):
        patch.setattr(ledger, "move", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        reader.run(NeverSet())
    ids = [decode(row.body).message_id for row in read(reader, 4)]
    assert ids[:2] == ids[2:]


def test_a_full_disk_makes_it_wait(
    reader: EmailEventReader,
    put: Callable[..., None],
    read: Callable[..., list[Record]],
    event_log: SqliteEventLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(event())
    append, refusals = event_log.append, [LogUnavailable("full", retry_after_seconds=0)] * 2

    def sometimes(entries: Iterable[Entry]) -> None:
        if refusals:
            raise refusals.pop()
        append(entries)

    monkeypatch.setattr(event_log, "append", sometimes)
    assert len(read(reader, 1)) == 1


def test_events_do_not_wait_for_a_mailjet_that_is_gone(
    put: Callable[..., None],
    event_log: SqliteEventLog,
    read: Callable[..., list[Record]],
    free_port: Callable[[], int],
) -> None:
    names = NameLookup(MailjetClient(f"http://127.0.0.1:{free_port()}", "k", "s", timeout_seconds=1))
    reader = EmailEventReader(
        event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=lambda _: None, names=names
    )
    put(*(event(mj_campaign_id=number) for number in range(1, 500)))
    started = time.monotonic()
    assert len(read(reader, 499)) == 499
    assert time.monotonic() - started < 30  # 499 calls in vain would take minutes


def test_names_come_from_mailjet(
    client: MailjetClient,
    put: Callable[..., None],
    event_log: SqliteEventLog,
    read: Callable[..., list[Record]],
) -> None:
    list_id = client.create_contactslist("Customers").id
    reader = EmailEventReader(
        event_log=event_log,
        source=SOURCE,
        user_ids=lambda _: {},
        learn=lambda _: None,
        names=NameLookup(client),
    )
    put(event(event="unsub", mj_list_id=list_id))
    [record] = read(reader, 1)
    properties = decode(record.body).properties
    assert (properties["list_id"], properties["list_name"]) == (str(list_id), "Customers")
