"""Deletes events that no window reaches any more, in steps by profile id, once a day."""

import sqlite3

from jetbridge.engage.configuration import Configuration
from jetbridge.engage.definition import DAY_MS
from jetbridge.engage.store import Meta

#: Profiles whose events are looked at together, and messageIds that are deleted together.
STEP_PROFILES, STEP_MESSAGES = 2_000, 10_000


class Pruning:
    """For one store, used by one thread. `pruned_place` in `meta` is the last profile that was looked at."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._meta = Meta(connection)

    def step(self, configuration: Configuration, now: int) -> bool:
        """In the caller's transaction. False if there is nothing to do now."""
        if now - self._meta.number("pruned_at") < DAY_MS:
            return False
        oldest, place = now - configuration.kept_ms, self._meta.number("pruned_place")
        (upto,) = self._connection.execute(
            "SELECT max(id) FROM (SELECT id FROM profile WHERE id > ? ORDER BY id LIMIT ?)",
            [place, STEP_PROFILES],
        ).fetchone()
        if upto is not None:
            self._connection.execute(
                "DELETE FROM event WHERE profile > ? AND profile <= ? AND ts <= ?", [place, upto, oldest]
            )
            self._meta.set(pruned_place=upto)
            return True
        # A DELETE that selects these itself looks at each message of a source.
        messages = self._connection.execute(
            "SELECT source, id FROM message WHERE ts <= ? ORDER BY ts LIMIT ?", [oldest, STEP_MESSAGES]
        ).fetchall()
        self._connection.executemany("DELETE FROM message WHERE source = ? AND id = ?", messages)
        if len(messages) < STEP_MESSAGES:  # some get too old all the time
            self._meta.set(pruned_at=now, pruned_place=0)
        return True
