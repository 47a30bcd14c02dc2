"""The debugger: the log itself, newest first, found within a budget; what became of each message; and the live stream."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.pages import collapsed

from jetbridge.console import live_response
from jetbridge.console.sources import debugger as debugger_page
from jetbridge.console.sources.debugger import Watch
from jetbridge.control.models import Destination, Source
from jetbridge.delivery import ledger
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.models import DeliveryRecordRow, destination_consumer
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, Entry
from jetbridge.eventlog.scan_backwards import STEP
from jetbridge.eventlog.search import about
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.events import parse
from jetbridge.integrations.mailjet.events.track import email_event_to_track
from jetbridge.services.queries.messages import SCAN_LIMIT, page_of
from jetbridge.services.queries.search_params import SearchParams
from jetbridge.source_schema.models import READER
from jetbridge.source_schema.reader import SchemaReader
from jetbridge.spec.message import encode
from jetbridge.spec.person import Identity

AT = {"timestamp": "2026-01-01T00:00:00Z", "receivedAt": "2026-01-01T00:00:00Z"}


def call(source: Source, number: int = 0, kind: str = "identify", **fields: Any) -> Entry:
    body = {"type": kind, "messageId": f"m-{number}", "userId": f"user-{number}"} | AT | fields
    return Entry(source.id, kind, 1_000 + number, json.dumps(body).encode())


@pytest.fixture
def source(people: Any) -> Source:
    source: Source = people.workspace.sources.create(name="Website", kind="http")
    return source


@pytest.fixture
def segment(people: Any, source: Source) -> Destination:
    """A destination that reads the source, delivers what it takes, and has read nothing yet."""
    row: Destination = people.workspace.destinations.create(name="Segment", kind="segment")
    row.sources.add(source)
    ledger.begin_destination(row.id, [source.id], Counts(0, {}))
    return row


@pytest.fixture
def debugger(client_of: Any, source: Source) -> Callable[..., str]:
    """`debugger("?q=...")`: the page."""
    client = client_of("viewer")

    def get(path: str = "", status: int = 200, **headers: str) -> str:
        answer = client.get(f"/w/{source.workspace_id}/sources/{source.id}/debugger{path}", headers=headers)
        assert answer.status_code == status
        return str(answer.content.decode())

    return get


def positions(page: str) -> list[int]:
    return [int(part.split('"')[0]) for part in page.split('id="message-')[1:] if part[0].isdigit()]


class TestThePage:
    def test_the_newest_come_first_and_older_ones_follow_by_position(
        self, debugger: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        event_log.append(call(source, number) for number in range(120))
        first = debugger()
        assert positions(first) == list(range(120, 70, -1))
        assert "?before=71" in first
        second = debugger("?before=71")
        assert positions(second) == list(range(70, 20, -1))
        assert "data-live=" in first
        assert "data-live=" not in second
        last = debugger("?before=21")
        assert positions(last) == list(range(20, 0, -1))
        assert "This is the beginning" in last

    def test_an_empty_log_says_that_nothing_has_come_yet(self, debugger: Any) -> None:
        assert "Nothing has come yet" in debugger()
        assert "Nothing like this" in debugger("?q=ada")

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("?q=user-1", [1]),
            ("?q=ADA@b.com", [2]),
            ("?q=m-3", [3]),
            ("?q=order completed", [3]),
            ("?type=track", [3]),
            ("?type=invalid", [4]),
            ("?type=email_event", [5]),
            ("?type=nonsense", [6, 5, 4, 3, 2, 1]),
            ("?q=b.com&type=email_event", [5]),
            ("?q=%00", [6, 5, 4, 3, 2, 1]),
            ("?before=abc", [6, 5, 4, 3, 2, 1]),
            ("?before=99999999999999999999", [6, 5, 4, 3, 2, 1]),
        ],
    )
    def test_one_finds_by_anything_and_by_type(
        self, debugger: Any, source: Source, event_log: SqliteEventLog, query: str, found: list[int]
    ) -> None:
        event_log.append(
            [
                call(source, 1),
                call(source, 2, traits={"email": "ada@b.com"}),
                call(source, 3, "track", event="Order Completed"),
                Entry(source.id, INVALID, 4, b'{"type":"identify"}', "no_user_anon_id: It names nobody."),
                Entry(source.id, EMAIL_EVENT, 5, b'{"event":"open","email":"bob@b.com"}'),
                call(source, 6, "page", name="Home"),
            ]
        )
        assert positions(debugger(query)) == found

    def test_what_failed_on_ingest_says_why_in_the_list(
        self, debugger: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        event_log.append([Entry(source.id, INVALID, 4, b"{", "bad_json: The body is no JSON <here>.")])
        page = debugger()
        assert "failed on ingest" in collapsed(page)
        assert "bad_json" in page
        assert "The body is no JSON &lt;here&gt;." in page

    def test_records_of_other_sources_are_not_shown(
        self, debugger: Any, people: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        other = people.elsewhere.sources.create(name="Other", kind="http")
        event_log.append([call(other, 1), call(source, 2), call(other, 3)])
        assert positions(debugger()) == [2]
        assert positions(debugger("?q=user-1")) == []
        debugger("/1", 404)
        debugger("/3", 404)
        debugger("/9", 404)

    def test_who_was_forgotten_is_shown_as_such_and_found_by_no_name(
        self, debugger: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        event_log.append([call(source, 7)])
        event_log.scrub(about([source.id], Identity(frozenset({"user-7"}))))
        assert "forgotten" in debugger()
        assert positions(debugger("?q=user-7")) == []
        page = debugger("/1")
        assert "Its person was forgotten" in page
        assert "user-7" not in page

    def test_texts_of_messages_are_no_code(
        self, debugger: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        event_log.append([call(source, 1, "track", event="<script>alert(1)</script>", userId="<b>")])
        for page in (debugger(), debugger("/1"), debugger("?q=<script>alert(1)</script>")):
            assert "<script>alert" not in page
            assert "<b>" not in page


class TestOutcomes:
    def test_they_are_shown_and_filtered_by(
        self, debugger: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        event_log.append(
            [
                call(source, 1, "delete"),
                call(source, 2, integrations={"All": False}),
                call(source, 3),
                call(source, 4),
                call(source, 5),
            ]
        )
        ledger.move(destination_consumer(segment.id), 4)
        DeliveryRecordRow.objects.create(
            destination_id=segment.id, outcome="failed", reason="X", detail="", position=3, total=1, message_id="",
            person="", request="", response="", at="2026-01-01T00:00:00Z",
        )  # fmt: skip
        assert positions(debugger("?outcome=filtered")) == [2, 1]
        assert positions(debugger("?outcome=failed")) == [3]
        assert positions(debugger("?outcome=delivered")) == [4]
        assert positions(debugger("?outcome=pending")) == [5]
        page = debugger()
        assert page.count('title="Segment"') == 5

    def test_rare_outcomes_are_looked_for_page_by_page(
        self, debugger: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        event_log.append([call(source, 1, "delete")])
        event_log.append(call(source, number) for number in range(2, 1_000))
        ledger.move(destination_consumer(segment.id), 999)
        page = debugger("?outcome=filtered")
        assert positions(page) == []
        assert 'hx-trigger="load"' in page
        assert "before=600" in page
        assert positions(debugger("?outcome=filtered&before=200")) == [1]

    def test_as_many_queries_for_many_rows_as_for_few(
        self, client_of: Any, source: Source, segment: Destination, event_log: SqliteEventLog, queries: Any
    ) -> None:
        client, page = client_of("viewer"), f"/w/{source.workspace_id}/sources/{source.id}/debugger"
        params = []
        for total in (2, 48):
            event_log.append(call(source, number) for number in range(total))
            ledger.move(destination_consumer(segment.id), event_log.counts().end)
            with queries() as seen:
                client.get(page)
            params.append(len(seen))
        assert params[0] == params[1] < 20


class TestAMessage:
    @pytest.mark.parametrize("kind", ["identify", "delete"])
    def test_a_secret_that_came_with_it_is_not_shown(
        self, debugger: Any, source: Source, event_log: SqliteEventLog, kind: str
    ) -> None:
        event_log.append([call(source, 1, kind, _settings={"apiKey": "a secret key", "listId": "123"})])
        page = debugger("/1")
        assert "a secret key" not in page
        assert "&quot;listId&quot;: &quot;123&quot;" in page

    def test_it_shows_its_call_its_json_and_its_way(
        self, debugger: Any, people: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        mailjet = people.workspace.destinations.create(name="Mailjet", kind="mailjet")
        event_log.append(
            [call(source, 1, "track", event="Paid", properties={"total": 9.5}, integrations={"All": False})]
        )
        ledger.move(destination_consumer(segment.id), 1)
        page = debugger("/1")
        assert "analytics.track(&quot;Paid&quot;, {\n  &quot;total&quot;: 9.5\n});" in page
        assert "&quot;messageId&quot;: &quot;m-1&quot;" in page
        assert "FILTERED_BY_INTEGRATIONS_OBJECT" in page
        assert "integrations object leaves the destination out" in page
        assert f"/destinations/{segment.id}/" in page
        assert f"/destinations/{mailjet.id}/" not in page
        assert "?q=user-1" in page

    def test_as_a_slide_out_it_is_the_same_without_the_frame(
        self, debugger: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        event_log.append([call(source, 1)])
        part = debugger("/1", **{"HX-Request": "true", "HX-Target": "slide-out-body"})
        assert "<html" not in part
        assert "user-1" in part

    def test_what_failed_on_ingest_shows_what_was_sent(
        self, debugger: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        event_log.append([Entry(source.id, INVALID, 1, b'{"a": \xff', "bad_json: The body is no JSON.")])
        page = debugger("/1")
        assert "The body is no JSON." in page
        assert "{&quot;a&quot;: \ufffd" in page

    def test_values_that_could_not_be_read_are_named(
        self, debugger: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        event_log.append([call(source, 1, _dropped=["timestamp", "traits.<score>"]), call(source, 2)])
        listed = debugger()
        assert listed.count("Unreadable: timestamp, traits.&lt;score&gt;") == 1
        page = debugger("/1")
        assert "2 values could not be read" in collapsed(page)
        assert "Accepted without traits.&lt;score&gt;: the value could not be read." in page
        assert "timestamp is no time that can be read, so the message counts from its receipt." in page
        assert "could not be read" not in debugger("/2")
        assert positions(debugger("?q=_dropped")) == [1]

    def test_an_email_event_leads_to_its_track_call_which_shows_the_event_beside(
        self, debugger: Any, source: Source, event_log: SqliteEventLog
    ) -> None:
        event = {
            "event": "open",
            "time": 1_700_000_000,
            "MessageID": 19,
            "email": "Ada@b.com",
            "ip": "1.2.3.4",
        }
        event_log.append([Entry(source.id, EMAIL_EVENT, 1, json.dumps(event).encode())])
        assert "track call" not in debugger("/1")
        track = _track_of(event)
        event_log.append([call(source, 5), Entry(source.id, "track", 2, track)])
        page = debugger("/1")
        assert f"/sources/{source.id}/debugger/3" in page
        assert "&quot;MessageID&quot;: 19" in page
        assert "Mailjet's event" in debugger("/3")
        assert "Mailjet's event" not in debugger("/2")


def _track_of(event: dict[str, Any]) -> bytes:
    parsed, raw = parse(json.dumps(event).encode())
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return encode(email_event_to_track(parsed, raw, email="ada@b.com", user_id="ada", received_at=at))


class TestALargeLog:
    """A million records: a page looks at some of them, and says where to go on."""

    @pytest.fixture
    def full(self, home: Path, event_log: SqliteEventLog, source: Source) -> SqliteEventLog:
        """A quiet source among a million records of a busy one: two of its own near the beginning."""
        event_log._connection().execute(
            """WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000000)
            INSERT INTO record (source, type, received_at, body)
            SELECT CASE WHEN n IN (10, 20) THEN ? ELSE 999999 END, 'track', n, ? FROM number""",
            (source.id, call(source, 1, "track", event="Seldom").body),
        )
        return event_log

    @pytest.fixture
    def looked_at(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """How many positions each look covers."""
        seen: list[int] = []
        real = SqliteEventLog.read_before

        def spy(self: Any, before: int, **options: Any) -> Any:
            if options.get("search"):
                seen.append(before - 1 - options.get("down_to", 0))
            return real(self, before, **options)

        monkeypatch.setattr(SqliteEventLog, "read_before", spy)
        return seen

    def test_a_page_looks_at_no_more_than_its_budget(
        self, full: SqliteEventLog, source: Source, looked_at: list[int]
    ) -> None:
        still = SCAN_LIMIT.__class__(SCAN_LIMIT.records, SCAN_LIMIT.seconds, lambda: 0.0)
        page = page_of(full, source, SearchParams(text="seldom"), still)
        assert (page.rows, page.goes_on, page.before) == ([], True, 1_000_001 - SCAN_LIMIT.records)
        assert sum(looked_at) == SCAN_LIMIT.records == 10 * STEP

    def test_what_the_schema_knows_leads_to_a_quiet_source_at_once(
        self, full: SqliteEventLog, source: Source, looked_at: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.begin(READER, Counts(0, {}))
        SchemaReader(full).step(LogReader(full, READER))
        ledger.move(READER, 1_000_000)
        still = SCAN_LIMIT.__class__(SCAN_LIMIT.records, SCAN_LIMIT.seconds, lambda: 0.0)
        page = page_of(full, source, SearchParams(), still)
        assert [row.position for row in page.rows] == [20, 10]
        assert page.before == 0
        assert sum(looked_at) == 11


class TestLive:
    @pytest.fixture
    def watch(self, event_log: SqliteEventLog, source: Source) -> Callable[..., Watch]:
        """`watch(text="...")`: from now on. Its clock stands still until it is set."""
        return lambda **params: Watch(
            event_log, source, SearchParams(**params), event_log.counts().end, lambda: 0.0
        )

    def test_what_comes_is_shown_once(
        self, watch: Any, source: Source, event_log: SqliteEventLog, people: Any
    ) -> None:
        other = people.workspace.sources.create(name="Other", kind="http")
        event_log.append([call(source, 1)])
        watching = watch()
        assert watching.look() is None
        event_log.append([call(source, 2), call(other, 3), call(source, 4)])
        news = watching.look()
        assert [row.position for row in news.rows] == [4, 2]
        assert (news.end, news.skipped) == (4, False)
        assert watching.look() is None

    def test_what_becomes_of_a_message_is_shown_when_it_is_known(
        self, watch: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        watching = watch()
        event_log.append([call(source, 1)])
        assert watching.look().rows[0].outcomes == {"pending": ["Segment"]}
        assert watching.look() is None
        ledger.move(destination_consumer(segment.id), 1)
        news = watching.look()
        assert (news.rows, news.changed[0].outcomes) == ([], {"delivered": ["Segment"]})
        assert watching._open == {}

    def test_what_the_page_shows_is_told_again_when_the_watch_begins(
        self, watch: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        event_log.append([call(source, 1), call(source, 2)])
        ledger.move(destination_consumer(segment.id), 1)
        watching = watch()
        news = watching.first_look()
        assert [(row.position, list(row.outcomes)) for row in news.changed] == [
            (2, ["pending"]),
            (1, ["delivered"]),
        ]
        assert news.rows == []
        ledger.move(destination_consumer(segment.id), 2)
        assert [row.position for row in watching.look().changed] == [2]

    def test_with_an_outcome_asked_for_it_is_shown_when_it_has_it(
        self, watch: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        watching = watch(outcome="filtered")
        event_log.append([call(source, 1), call(source, 2, "delete")])
        assert watching.look() is None
        ledger.move(destination_consumer(segment.id), 2)
        assert [row.position for row in watching.look().rows] == [2]

    def test_a_flood_is_shown_in_part_and_says_so(
        self, watch: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        watching = watch()
        for _ in range(10):
            event_log.append(call(source, number) for number in range(100))
            news = watching.look()
            assert len([row for row in news.rows if row.position > news.end - 100]) == 50
            assert news.skipped
        assert len(watching._open) <= debugger_page.OPEN

    def test_a_text_is_searched_for(self, watch: Any, source: Source, event_log: SqliteEventLog) -> None:
        watching = watch(text="USER-2")
        event_log.append([call(source, 1), call(source, 2)])
        assert [row.position for row in watching.look().rows] == [2]

    def test_waiting_for_an_outcome_ends(
        self, watch: Any, source: Source, segment: Destination, event_log: SqliteEventLog
    ) -> None:
        watching = watch()
        event_log.append([call(source, 1)])
        watching.look()
        watching.clock = lambda: debugger_page.OPEN_SECONDS
        watching.look()
        assert watching._open == {}

    def test_the_stream_begins_where_the_page_ended_and_ends_by_itself(
        self, source: Source, event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_response, "EVERY_SECONDS", 0.01)
        monkeypatch.setattr(live_response, "END_SECONDS", 0.2)
        event_log.append([call(source, 1), call(source, 2)])

        async def collect() -> list[str]:
            feed = partial(
                debugger_page.feed,
                lambda log: Watch(log, source, SearchParams(), 1),
                lambda news: f"<li>{news.rows[0].position}</li>\n<li>",
            )
            return [part async for part in live_response.events(1, lambda: True, feed)]

        assert asyncio.run(collect()) == ["retry: 1000\n\n", "id: 2\ndata: <li>2</li>\ndata: <li>\n\n"]
        assert live_response._watchers._by_user == {}

    def test_there_are_places_for_so_many_and_they_are_given_back(
        self, source: Source, event_log: SqliteEventLog
    ) -> None:
        async def fill() -> list[str]:
            feed = partial(
                debugger_page.feed, lambda log: Watch(log, source, SearchParams(), 0), lambda _: ""
            )
            streams = [
                live_response.events(1, lambda: True, feed) for _ in range(live_response.WATCHERS_OF_ONE + 1)
            ]
            first = [await anext(stream) for stream in streams]
            for stream in streams:
                await stream.aclose()  # type: ignore[attr-defined]
            return first

        first = asyncio.run(fill())
        assert first[:-1] == ["retry: 1000\n\n"] * live_response.WATCHERS_OF_ONE
        assert first[-1].startswith("event: end")
        assert live_response._watchers._by_user == {}
