import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.delivery import ledger
from jetbridge.delivery.models import ConsumerOffset, source_consumer
from jetbridge.errors import TransientError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, Entry, LogUnavailable, Record
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES, EmailEvent
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.events import reader as reader_module
from jetbridge.integrations.mailjet.events.name_lookup import NameLookup
from jetbridge.integrations.mailjet.events.reader import EmailEventReader, retry_failed
from jetbridge.integrations.mailjet.events.track import message_id_of
from jetbridge.spec.message import decode

SOURCE = 5
READER = source_consumer(SOURCE)
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
        event_log=event_log, source=SOURCE, user_ids=user_ids, learn=lambda _: [], names=NoNames()
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


def test_the_same_event_again_is_one_call(
    event_log: SqliteEventLog, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    """Within a batch, and later; also if the worker dies before its position moves."""

    def reader() -> EmailEventReader:
        return EmailEventReader(
            event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=lambda _: [], names=NoNames()
        )

    first = reader()
    put(event(), event(time=1), event())
    assert len(read(first, 2)) == 2
    put(event(), event(time=2), event(time=1))
    records = read(first, 3, linger=0.2)
    assert [decode(row.body).timestamp.timestamp() for row in records[:1]] == [1700000000.0]
    assert len({decode(row.body).message_id for row in records}) == len(records) == 3
    # Received are 6: 3 became calls.
    assert ConsumerOffset.objects.get(consumer=READER).repeated == 3


def test_a_repetition_that_comes_after_a_restart_has_the_same_message_id(
    event_log: SqliteEventLog, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    for total in (1, 2):
        put(event())
        reader = EmailEventReader(
            event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=lambda _: [], names=NoNames()
        )
        records = read(reader, total)
    assert len({decode(row.body).message_id for row in records}) == 1


def test_a_crash_between_append_and_position_repeats_no_call_and_loses_none(
    event_log: SqliteEventLog,
    put: Callable[..., None],
    read: Callable[..., list[Record]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reader() -> EmailEventReader:
        return EmailEventReader(
            event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=lambda _: [], names=NoNames()
        )

    put(event(), event("bob@example.com"))
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(ledger, "move", lambda *_, **__: (_ for _ in ()).throw(SystemExit))
        reader().run(NeverSet())
    put(event("eve@example.com"))
    calls = [decode(row.body) for row in read(reader(), 3, linger=0.2)]
    assert [call.anonymous_id for call in calls] == ["ann@example.com", "bob@example.com", "eve@example.com"]


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


def test_events_do_not_wait_for_a_mailjet_that_stays_away(
    put: Callable[..., None],
    event_log: SqliteEventLog,
    read: Callable[..., list[Record]],
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jetbridge.integrations.mailjet.events.name_lookup.WAIT_SECONDS", 0.0)
    names = NameLookup(MailjetClient(f"http://127.0.0.1:{free_port()}", "k", "s", timeout_seconds=1))
    reader = EmailEventReader(
        event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=lambda _: [], names=names
    )
    put(*(event(MessageID=number, mj_campaign_id=number) for number in range(1, 500)))
    assert len(read(reader, 499)) == 499


def test_events_wait_for_names_that_are_worth_it_and_consent_does_not(
    put: Callable[..., None], event_log: SqliteEventLog, read: Callable[..., list[Record]]
) -> None:
    order: list[str] = []

    class LateNames(NoNames):
        def fetch(self, events: Iterable[EmailEvent]) -> TransientError | None:
            order.append(str(ConsumerOffset.objects.get(consumer=READER).last_error))
            return TransientError("TIMEOUT", "No answer.") if len(order) < 6 else None

    reader = EmailEventReader(
        event_log=event_log,
        source=SOURCE,
        user_ids=lambda _: {},
        learn=lambda opt_outs: order.append(f"{len(opt_outs)} learned") or [],
        names=LateNames(),
    )
    put(event(event="unsub"), event())
    assert len(read(reader, 2)) == 2
    why = "Mailjet has not sent the names of a campaign or list yet. No answer."
    assert order == ["1 learned", "", "1 learned", why, "1 learned", why]
    assert ConsumerOffset.objects.get(consumer=READER).last_error == ""


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
        learn=lambda _: [],
        names=NameLookup(client),
    )
    put(event(event="unsub", mj_list_id=list_id))
    [record] = read(reader, 1)
    properties = decode(record.body).properties
    assert (properties["list_id"], properties["list_name"]) == (str(list_id), "Customers")


def test_an_event_that_raises_is_kept_as_invalid_and_stops_no_other(
    put: Callable[..., None], event_log: SqliteEventLog, read: Callable[..., list[Record]]
) -> None:
    said: list[str] = []

    def learn(opt_outs: list[OptOut]) -> list[OptOut]:
        if any(each.email == "bad@example.com" for each in opt_outs):
            raise ZeroDivisionError
        said.extend(each.email for each in opt_outs)
        return []

    reader = EmailEventReader(
        event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=learn, names=NoNames()
    )
    emails = ["ann@example.com", "bad@example.com", "cat@example.com"]
    put(*(event(email, event="unsub") for email in emails), event("dan@example.com"))
    records = read(reader, 4)
    assert [row.type for row in records] == ["track", INVALID, "track", "track"]
    assert records[1].error is not None
    assert records[1].error.startswith("internal_error: ")
    assert "ZeroDivisionError" in records[1].error
    assert json.loads(records[1].body)["email"] == "bad@example.com"
    assert said == ["ann@example.com", "cat@example.com"]
    assert "`jetbridge destinations retry --email-events`" in records[1].error

    assert retry_failed(event_log, SOURCE) == 1  # the bug is still there
    assert [row.type for row in read(reader, 5)][4:] == [INVALID]
    mended = EmailEventReader(
        event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=lambda _: [], names=NoNames()
    )
    assert (retry_failed(event_log, SOURCE), retry_failed(event_log, SOURCE)) == (1, 0)
    [*_, record] = read(mended, 6)
    assert (record.type, record.received_at) == ("track", RECEIVED_MS)
    assert decode(record.body).anonymous_id == "bad@example.com"


def test_names_are_waited_for_beside_an_event_that_raises(
    put: Callable[..., None], event_log: SqliteEventLog, read: Callable[..., list[Record]]
) -> None:
    waits = [TransientError("TIMEOUT", "No answer.")] * 2

    class LateNames(NoNames):
        def fetch(self, events: Iterable[EmailEvent]) -> TransientError | None:
            return waits.pop() if waits else None

    def learn(opt_outs: list[OptOut]) -> list[OptOut]:
        if any(each.email == "bad@example.com" for each in opt_outs):
            raise ZeroDivisionError
        return []

    reader = EmailEventReader(
        event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=learn, names=LateNames()
    )
    put(event(event="unsub"), event("bad@example.com", event="unsub"))
    assert [row.type for row in read(reader, 2)] == ["track", INVALID]
    assert waits == []


@pytest.mark.parametrize(
    "error",
    [OperationalError("database is locked"), OSError(28, "No space left on device")],
    ids=["db", "disk"],
)
def test_errors_of_disk_and_database_make_it_wait_and_say_so(
    put: Callable[..., None],
    event_log: SqliteEventLog,
    read: Callable[..., list[Record]],
    error: Exception,
) -> None:
    errors, troubles = [error] * 3, []

    def learn(_: list[OptOut]) -> list[OptOut]:
        troubles.append(ConsumerOffset.objects.get(consumer=READER).last_error)
        if errors:
            raise errors.pop()
        return []

    reader = EmailEventReader(
        event_log=event_log, source=SOURCE, user_ids=lambda _: {}, learn=learn, names=NoNames()
    )
    put(event(event="unsub"))
    [record] = read(reader, 1, linger=0.2)
    assert record.type == "track"
    assert troubles[0] == ""
    assert troubles[1].startswith("Jetbridge cannot work with its files now: ")
    assert ConsumerOffset.objects.get(consumer=READER).last_error == ""


#: Values in places where Mailjet has ids, times, texts and flags.
ODD: list[Any] = [
    None, True, 0, -1, 12, 2**63, 10**400, 1.5, 1e308, -0.0, "", "0", "12", "-5", "9" * 19, "9" * 4_301, "٣٨", "1_0", "x",
    "\x00", "\ud800", "mj.nl=", "1700000000", "9999999999999", 1700000000, "a@example.com", " A@EXAMPLE.COM ", "@", [], {}, [[]],
]  # fmt: skip


def hostile_event(random: Random) -> bytes:
    fields = random.sample(EmailEvent.__struct_encode_fields__, random.randrange(12))
    named = {"event": random.choice(EVENT_TYPES), "email": "ann@example.com", "time": 1700000000}
    return json.dumps(named | {name: random.choice(ODD) for name in fields}).encode()


@fuzz(PURE, per_run=200, bodies=mk.lists(hostile_event, least=200, most=200))
def test_hostile_events_stop_nobody(homes: Any, bodies: list[bytes]) -> None:
    """Each becomes a track call, unless it is the same as another, or is kept with what is wrong with it."""
    log = SqliteEventLog(homes.empty() / "eventlog.db")
    log.append(Entry(SOURCE, EMAIL_EVENT, RECEIVED_MS, body) for body in bodies)
    learned: list[OptOut] = []
    reader = EmailEventReader(
        event_log=log,
        source=SOURCE,
        user_ids=lambda _: {},
        learn=lambda said: learned.extend(said) or [],
        names=NoNames(),
    )
    ledger.begin(READER, Counts(0, {}))
    reader._process(log.read(0))
    made = [row for row in log.read(0) if row.type != EMAIL_EVENT]
    alone = [reader_module._parse(row) for row in log.read(0) if row.type == EMAIL_EVENT]
    calls = {message_id_of(row.event, row.email) for row in alone if not isinstance(row, Entry)}
    assert len(made) == len(calls) + sum(isinstance(row, Entry) for row in alone)
    assert {row.type for row in made} <= {"track", INVALID}
    assert not [row.error for row in made if "internal_error" in (row.error or "")]
    for row in made:
        if row.type == "track":
            decode(row.body)
    assert all(each.list_id is None or 0 < each.list_id < 2**63 for each in learned)
    log.close()


def test_a_custom_id_is_the_user_id_if_the_account_says_so(
    event_log: SqliteEventLog, put: Callable[..., None], read: Callable[..., list[Record]]
) -> None:
    """Consent is the address's all the same, and the messageId does not depend on it."""
    settings: list[bool] = []
    learned: list[OptOut] = []

    def reader() -> EmailEventReader:
        return EmailEventReader(
            event_log=event_log,
            source=SOURCE,
            user_ids=lambda _: {"ann@example.com": "u-ann"},
            learn=lambda said: learned.extend(said) or [],
            names=NoNames(),
            custom_id_is_user_id=lambda: settings[-1],
        )

    events = [
        event(CustomID=" u-77 "),
        event(CustomID="", MessageID=1),
        event(CustomID="x" * 201, MessageID=2),
        event("bob@example.com", CustomID=5),
        event("bob@example.com", event="unsub", mj_list_id=0),
        event("bob@example.com", event="spam", CustomID="u-77"),
    ]
    people = []
    for value in (True, False):
        settings.append(value)
        put(*events)
        calls = [decode(row.body) for row in read(reader(), 6 * len(settings))[-6:]]
        people.append([(call.user_id, call.anonymous_id) for call in calls])
        assert {call.context["traits"]["email"] for call in calls if call.context} == {
            "ann@example.com",
            "bob@example.com",
        }
    ann, bob = ("u-ann", None), (None, "bob@example.com")
    assert people == [
        [("u-77", None), ann, ann, ("5", None), bob, ("u-77", None)],
        [ann, ann, ann, bob, bob, bob],
    ]
    assert {opt_out.email for opt_out in learned} == {"bob@example.com"}
    ids = [decode(row.body).message_id for row in event_log.read(0, limit=100) if row.type != EMAIL_EVENT]
    assert ids[:6] == ids[6:]
