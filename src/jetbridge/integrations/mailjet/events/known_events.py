"""Which email events of a source the log has, looked up by message, type and second.

In a temporary database of SQLite on disk: millions of events cost no memory, and a process that dies leaves nothing.
"""

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from jetbridge.eventlog.base import EMAIL_EVENT, EventLog
from jetbridge.eventlog.search import everything
from jetbridge.integrations.mailjet.api.events import Id, time_ms
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted, whole_number

#: A message is sent or blocked once, and nothing happens to it before.
_FIRST = frozenset({"sent", "blocked"})
#: These happen once to a message: a second that is one off is the same event. Opens and clicks repeat.
_ONCE = frozenset({"sent", "bounce", "blocked", "spam", "unsub"})
#: Rows per statement.
CHUNK = 5_000


class _Event(msgspec.Struct, gc=False):
    event: str
    time: Id = None
    message_id: Id = msgspec.field(name="MessageID", default=None)


class KnownEvents:
    """The email events of `source` after a position of the log. Used by one thread."""

    def __init__(self, event_log: EventLog, source: int, after: int) -> None:
        self._log = event_log
        self._search = everything([source], [EMAIL_EVENT])
        self._position = after
        self._db = sqlite3.connect("")  # a temporary file that SQLite removes itself
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE known (key INTEGER PRIMARY KEY)")

    def catch_up(self) -> None:
        """Read what was appended to the log since. The first time that is all of it: seconds for a million events."""
        end = self._log.counts().end
        keys: list[tuple[int]] = []
        for record in self._log.find(self._search, after=self._position, upto=end):
            try:
                event = read_untrusted(record.body, _Event)
            except JSON_ERRORS:
                continue
            message_id, at = whole_number(event.message_id), time_ms(event.time, record.received_at)
            if message_id and at:
                keys.append((_key(message_id, event.event, at // 1000),))
                if event.event in _FIRST:
                    keys.append((_key(message_id, event.event, 0),))
            if len(keys) >= CHUNK:
                self._insert(keys)
                keys = []
        self._insert(keys)
        self._position = end

    def has(self, message_id: int, event_type: str, at: int) -> bool:
        """Whether there is this event; `at` in Unix seconds."""
        offsets = (-1, 0, 1) if event_type in _ONCE else (0,)
        return any(self._has(_key(message_id, event_type, at + offset)) for offset in offsets)

    def has_first(self, message_id: int, event_type: str) -> bool:
        """Whether the message is known to have been sent, or blocked, whenever that was."""
        return self._has(_key(message_id, event_type, 0))

    def close(self) -> None:
        self._db.close()

    def _has(self, key: int) -> bool:
        return self._db.execute("SELECT 1 FROM known WHERE key = ?", (key,)).fetchone() is not None

    def _insert(self, keys: Iterable[tuple[int]]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO known VALUES (?)", keys)


def _key(message_id: int, event_type: str, at: int) -> int:
    """64 bits: among ten million events a false match has a chance of one in 300,000."""
    content = f"{message_id}\n{event_type}\n{at}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)
