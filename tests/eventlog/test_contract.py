"""The promises of `EventLog`, one suite for every engine: a new one is an entry of ENGINES."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Entry, EventLog, LogUnavailable, Record, Search
from jetbridge.eventlog.search import about, containing, everything, with_message_id
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import Message, encode
from jetbridge.spec.person import Identity


class SqliteHeldLog(SqliteEventLog):
    """Calls `before_commit` between the rows of an append and its commit."""

    def __init__(self, path: Path, before_commit: Callable[[], object]) -> None:
        super().__init__(path)
        self._before_commit = before_commit

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with super()._write() as connection:
            yield connection
            self._before_commit()


class Engine(NamedTuple):
    """Ways to open the log which a folder stands for, new or again."""

    open: Callable[[Path], EventLog]
    #: Its appends call the function once their rows are written, and commit when it returns.
    open_held: Callable[[Path, Callable[[], object]], EventLog]
    #: Its appends raise LogUnavailable at once where they would have to wait for another one.
    open_impatient: Callable[[Path], EventLog]


ENGINES = {
    "sqlite": Engine(
        lambda folder: SqliteEventLog(folder / "eventlog.db"),
        lambda folder, before_commit: SqliteHeldLog(folder / "eventlog.db", before_commit),
        lambda folder: SqliteEventLog(folder / "eventlog.db", busy_seconds=0),
    ),
}
ENORMOUS = 10**15


def call(**fields: Any) -> bytes:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return encode(
        Message(**{"type": "identify", "message_id": "1", "timestamp": at, "received_at": at} | fields)
    )


def entry(number: int, *, source: int = 1, kind: str = "identify", received_at: int = 1_000) -> Entry:
    return Entry(source, kind, received_at, b"body %d" % number)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@pytest.fixture
def reopen(engine: Engine, tmp_path: Path) -> Iterator[Callable[[], EventLog]]:
    opened: list[EventLog] = []

    def open_again() -> EventLog:
        opened.append(engine.open(tmp_path))
        return opened[-1]

    yield open_again
    for log in opened:
        log.close()


@pytest.fixture
def log(reopen: Callable[[], EventLog]) -> EventLog:
    return reopen()


class TestContract:
    def test_what_was_appended_is_read_in_order_with_every_field(self, log: EventLog) -> None:
        log.append([Entry(7, "identify", 123, b"{}"), Entry(8, "invalid", 124, b"\xff\x00", "code: why")])
        first, second = log.read(0)
        assert first == Record(first.position, 7, "identify", 123, b"{}", None)
        assert second == Record(second.position, 8, "invalid", 124, b"\xff\x00", "code: why")
        assert first.position < second.position

    def test_reading_goes_on_after_a_position(self, log: EventLog) -> None:
        log.append(entry(number) for number in range(10))
        half = log.read(0, limit=5)
        rest = log.read(half[-1].position, limit=100)
        assert [record.body for record in [*half, *rest]] == [b"body %d" % number for number in range(10)]
        assert log.read(rest[-1].position) == []

    def test_an_empty_log_reads_as_nothing(self, log: EventLog) -> None:
        assert log.read(0) == []
        assert log.counts()[:2] == (0, {})

    def test_messages_without_some_value_are_counted_beside_the_others(self, log: EventLog) -> None:
        log.append([Entry(1, "track", 1, b"{}", is_incomplete=number < 2) for number in range(5)])
        log.append([Entry(2, "identify", 1, b"{}", is_incomplete=True)])
        counts = log.counts()
        assert counts.by_source_and_type == {(1, "track"): 5, (2, "identify"): 1}
        assert counts.incomplete == {1: 2, 2: 1}

    def test_a_read_stops_at_max_bytes_but_gives_at_least_one_record(self, log: EventLog) -> None:
        log.append(Entry(1, "track", 1, b"x" * 1_000) for _ in range(5))
        assert len(log.read(0, max_bytes=2_500)) == 2
        assert len(log.read(0, max_bytes=10)) == 1

    def test_an_append_that_fails_leaves_nothing(self, log: EventLog) -> None:
        def broken() -> Iterator[Entry]:
            yield entry(1)
            raise RuntimeError("the sender went away")

        with pytest.raises(RuntimeError):
            log.append(broken())
        assert log.read(0) == []
        assert log.counts()[:2] == (0, {})

    def test_records_outlive_the_log_object(self, reopen: Callable[[], EventLog]) -> None:
        first = reopen()
        first.append([entry(1)])
        before = first.read(0)
        first.close()
        assert reopen().read(0) == before

    def test_counts_are_by_source_and_type(self, log: EventLog) -> None:
        log.append([entry(1), entry(2), entry(3, source=2), entry(4, kind="track")])
        log.append([entry(5)])
        counts = log.counts()
        assert counts.by_source_and_type == {(1, "identify"): 3, (2, "identify"): 1, (1, "track"): 1}
        assert counts.end == log.read(0)[-1].position

    def test_retention_takes_only_what_is_old_and_passed_by_every_reader(self, log: EventLog) -> None:
        log.append(entry(number, received_at=number) for number in range(10))
        positions = [record.position for record in log.read(0)]
        assert log.retain(received_before=8, max_bytes=ENORMOUS, upto=positions[4]) == 5
        assert [record.position for record in log.read(0)] == positions[5:]
        assert log.retain(received_before=8, max_bytes=ENORMOUS, upto=positions[9]) == 3
        assert [record.position for record in log.read(0)] == positions[8:]

    def test_retention_by_size_takes_the_oldest_that_every_reader_passed(self, log: EventLog) -> None:
        log.append(entry(number) for number in range(10))
        positions = [record.position for record in log.read(0)]
        assert log.retain(received_before=0, max_bytes=0, upto=positions[2]) == 3
        assert [record.position for record in log.read(0)] == positions[3:]

    def test_retention_lowers_no_count_and_frees_no_position(self, reopen: Callable[[], EventLog]) -> None:
        log = reopen()
        log.append([entry(1), entry(2)])
        before = log.counts()
        log.retain(received_before=ENORMOUS, max_bytes=ENORMOUS, upto=before.end)
        assert log.read(0) == []
        assert log.counts()[:2] == before[:2]
        log.close()
        again = reopen()
        again.append([entry(3)])
        assert again.read(0)[0].position > before.end

    def test_the_last_record_keeps_its_mark_when_retention_takes_it(self, log: EventLog) -> None:
        log.append([entry(1), entry(2)])
        before = log.counts().place
        assert before.mark
        log.retain(received_before=ENORMOUS, max_bytes=ENORMOUS, upto=log.counts().end)
        assert log.counts().place == log.place(log.counts().end) == before
        log.append([entry(3)])
        assert log.counts().place.mark not in {"", before.mark}

    def test_many_threads_append_and_one_reader_misses_none_and_sees_none_twice(self, log: EventLog) -> None:
        def write(source: int) -> None:
            for number in range(50):
                log.append([entry(number, source=source), entry(number, source=source)])

        writers = [threading.Thread(target=write, args=(source,)) for source in range(4)]
        for writer in writers:
            writer.start()
        seen: list[Record] = []
        deadline = time.monotonic() + 60
        while len(seen) < 400 and time.monotonic() < deadline:
            seen += log.read(seen[-1].position if seen else 0)
        for writer in writers:
            writer.join()
        assert log.read(seen[-1].position) == []
        assert seen == log.read(0)
        assert len(seen) == 400

    def test_a_reader_misses_nothing_where_the_first_of_two_appenders_commits_last(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        """The second one is acknowledged before the first commits, or is told to send again."""
        seen: list[Record] = []
        acknowledged = False

        def read_on() -> None:
            seen.extend(reader.read(seen[-1].position if seen else 0))

        def second_comes_meanwhile() -> None:
            nonlocal acknowledged
            read_on()
            with suppress(LogUnavailable):
                second.append([entry(3), entry(4)])
                acknowledged = True
            read_on()

        with (
            closing(engine.open(tmp_path)) as reader,
            closing(engine.open_impatient(tmp_path)) as second,
            closing(engine.open_held(tmp_path, second_comes_meanwhile)) as first,
        ):
            reader.append([entry(0)])
            first.append([entry(1), entry(2)])
            read_on()
            if not acknowledged:
                second.append([entry(3), entry(4)])
            read_on()
            assert sorted(record.body for record in seen) == [b"body %d" % number for number in range(5)]
            assert seen == reader.read(0)
            assert reader.counts().by_source_and_type == {(1, "identify"): 5}

    def test_records_about_a_person_are_found_in_every_spelling_and_of_the_given_sources_only(
        self, log: EventLog
    ) -> None:
        bodies = [
            call(user_id="ada"),
            call(user_id="ad"),
            call(anonymous_id="x", traits={"email": " ADA@B.com"}),
            call(anonymous_id="canada@b.com"),
            call(user_id="x", context={"traits": {"email": "ada@b.com"}}),
            call(user_id="x", previous_id="ada"),
        ]
        log.append([Entry(1, "identify", 1, body) for body in bodies])
        log.append(
            [
                Entry(1, EMAIL_EVENT, 1, b'{"event":"open","email":"Ada@b.com"}'),
                Entry(1, EMAIL_EVENT, 1, b'{"event":"open","email":"canada@b.com"}'),
                Entry(1, INVALID, 1, b'{"userId":"ada",', "invalid_json: no JSON"),
                Entry(1, INVALID, 1, b'{"userId":"canada",', "invalid_json: no JSON"),
                Entry(2, "identify", 1, bodies[0]),
            ]
        )
        first = log.read(0)[0].position
        search = about([1], Identity(frozenset({"ada"}), frozenset({"ada@b.com"})))
        assert [each.position - first for each in log.find(search)] == [0, 2, 4, 5, 6, 8]
        assert [each.position - first for each in log.find(search, after=first + 2, upto=first + 6)] == [
            4,
            5,
            6,
        ]

    def test_an_email_event_is_found_by_its_custom_id_where_that_is_the_user_id(self, log: EventLog) -> None:
        bodies = [
            b'{"event":"open","email":"a@b.com","CustomID":" Ada "}',
            b'{"event":"open","email":"a@b.com","CustomID":"ada"}',
            b'{"event":"open","email":5,"CustomID":["Ada"]}',
        ]
        log.append([Entry(source, EMAIL_EVENT, 1, body) for body in bodies for source in (1, 2)])
        first = log.read(0)[0].position
        ada = Identity(frozenset({"Ada"}))
        assert [row.position - first for row in log.find(about([1, 2], ada, {2}))] == [1]
        assert list(log.find(about([1, 2], ada))) == []

    def test_a_name_outside_ascii_is_found_as_well(self, log: EventLog) -> None:
        log.append([Entry(1, "identify", 1, call(anonymous_id="x", traits={"email": "ÉVA@b.com"}))])
        assert len(list(log.find(about([1], Identity(emails=frozenset({"éva@b.com"})))))) == 1

    def test_a_message_is_found_by_its_id(self, log: EventLog) -> None:
        log.append(
            [Entry(1, "identify", 1, call(user_id="m")), Entry(1, "identify", 1, call(message_id="m"))]
        )
        (found,) = log.find(with_message_id([1], "m"))
        assert found.position == log.read(0)[1].position

    def test_an_address_is_found_however_it_is_spelled(self, log: EventLog) -> None:
        written = [
            "ada@xn--mnchen-3ya.de",
            "Ada@M\u00dcNCHEN.de",
            "a\u200bda@m\u00fcnchen.de",
            "\uff21\uff24\uff21@m\u00fcnchen.de",
        ]
        bodies = [call(user_id="x", traits={"Email": each}) for each in written]
        log.append([Entry(1, "identify", 1, body) for body in bodies])
        escaped = json.dumps({"traits": {"email": written[2]}}).encode()
        log.append([Entry(1, INVALID, 1, body, "bad_request: no") for body in (escaped, b'"ada@munchen.de"')])
        other = call(user_id="x", traits={"email": "ada@muenchen.de", "name": "M\u00fcller"})
        log.append([Entry(1, "identify", 1, other)])
        first = log.read(0)[0].position
        for name in ("ada@m\u00fcnchen.de", written[0]):
            found = [record.position - first for record in log.find(about([1], Identity.of_name(name)))]
            assert found == [0, 1, 2, 3, 4]

    def test_scrubbed_records_keep_their_place_and_type_and_nothing_else(
        self, reopen: Callable[[], EventLog], tmp_path: Path
    ) -> None:
        log = reopen()
        log.append([Entry(1, "identify", 5, call(user_id=f"user-{number}-name")) for number in range(2_000)])
        log.append([Entry(1, INVALID, 5, b'"user-7-name"', "bad_request: 'user-7-name' is no call")])
        before = log.counts()
        assert log.scrub(about([1], Identity(frozenset({"user-7-name"})))) == 2
        emptied = [record for record in log.read(0, limit=3_000) if not record.body]
        assert [(row.type, row.received_at, row.error) for row in emptied] == [
            ("identify", 5, None),
            (INVALID, 5, "forgotten: Its person was forgotten."),
        ]
        assert log.counts()[:2] == before[:2]
        assert log.scrub(about([1], Identity(frozenset({"user-7-name"})))) == 0
        log.close()
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"user-8-name" in stored
        assert b"user-7-name" not in stored

    def test_reading_backwards_gives_the_newest_first_and_goes_on_before_a_position(
        self, log: EventLog
    ) -> None:
        log.append(entry(number) for number in range(10))
        forwards = list(log.read(0))
        end = log.counts().end
        assert log.read_before(end + 1, limit=4) == forwards[:-5:-1]
        assert log.read_before(forwards[6].position) == forwards[5::-1]
        assert log.read_before(forwards[6].position, down_to=forwards[3].position) == forwards[5:3:-1]
        assert log.read_before(forwards[0].position) == []

    def test_reading_backwards_finds_what_a_search_means_and_no_more_than_asked_for(
        self, log: EventLog
    ) -> None:
        bodies = [call(user_id=f"user-{number}", traits={"plan": "Größe L"}) for number in range(30)]
        log.append([Entry(1 + number % 2, "identify", 1, body) for number, body in enumerate(bodies)])
        log.append([Entry(1, INVALID, 1, b'{"userId":"user-7",', "invalid_json: no JSON")])
        end = log.counts().end + 1
        first = log.read(0)[0].position

        def found(search: Search, **options: int) -> list[int]:
            return [each.position - first for each in log.read_before(end, search=search, **options)]

        assert found(everything([1, 2]), limit=3) == [30, 29, 28]
        assert found(everything([1]), limit=3) == [30, 28, 26]
        assert found(everything([1, 2], [INVALID])) == [30]
        assert found(containing([1, 2], "USER-7")) == [30, 7]
        assert found(containing([2], "user-2")) == [29, 27, 25, 23, 21]
        assert found(containing([2], "user-2"), limit=2, down_to=first + 26) == [29, 27]
        assert found(containing([1, 2], "GRÖSSE"), limit=2) == []
        assert found(containing([1, 2], "GRößE l"), limit=2) == [29, 28]
        assert found(containing([1, 2], 'a"b')) == []

    def test_what_was_emptied_is_shown_by_everything_and_found_by_no_text(self, log: EventLog) -> None:
        log.append([Entry(1, "identify", 1, call(user_id="ada"))])
        log.scrub(about([1], Identity(frozenset({"ada"}))))
        end = log.counts().end + 1
        assert [each.body for each in log.read_before(end, search=everything([1]))] == [b""]
        assert log.read_before(end, search=containing([1], "identify")) == []
