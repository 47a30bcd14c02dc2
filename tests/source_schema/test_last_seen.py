"""When a source was last heard of: not known as long as something may be unread, so that no alert is wrong."""

from typing import Any

import pytest

from jetbridge.control.models import Source, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.log_reader import LogReader
from jetbridge.eventlog.base import Counts, Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.source_schema.models import READER
from jetbridge.source_schema.reader import SchemaReader
from jetbridge.source_schema.volumes import LastSeen


@pytest.fixture
def read(event_log: SqliteEventLog) -> Any:
    """`read()`: the schema takes all that is in the log."""
    ledger.begin(READER, Counts(0, {}))
    reader = SchemaReader(event_log)
    return lambda: reader.step(LogReader(event_log, READER))


@pytest.fixture
def source(home: Any) -> Source:
    return Workspace.objects.create(name="Shop").sources.create(name="Website", kind="http")


def test_it_is_known_once_all_was_read_that_was_there_at_the_call_before(
    event_log: SqliteEventLog, read: Any, source: Source
) -> None:
    def arrives(at: int) -> None:
        event_log.append([Entry(source.id, "identify", at, b"{}")])

    arrives(60_000)
    last_seen = LastSeen(event_log)
    assert last_seen([source.id]) is None  # the first call
    assert last_seen([source.id]) is None  # unread
    read()
    assert last_seen([source.id]) == {source.id: 60_000}
    arrives(120_000)
    assert last_seen([source.id]) == {source.id: 60_000}  # all of the call before was read
    assert last_seen([source.id]) is None
    read()
    assert last_seen([source.id]) == {source.id: 120_000}


def test_without_a_reader_nothing_is_known(event_log: SqliteEventLog, source: Source) -> None:
    last_seen = LastSeen(event_log)
    assert [last_seen([source.id]) for _ in range(3)] == [None] * 3


def test_a_source_that_never_sent_anything_is_left_out(
    event_log: SqliteEventLog, read: Any, source: Source
) -> None:
    last_seen = LastSeen(event_log)
    last_seen([source.id])
    assert last_seen([source.id]) == {}
