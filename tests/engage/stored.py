"""A workspace's store with people in it, as the worker would have left it."""

import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jetbridge.engage import store
from jetbridge.engage.compiler import NEVER

DAY_MS = 86_400_000


class Store:
    """`person(...)` and `happened(...)` write what `identity` and the worker's consumer would."""

    def __init__(self, home: Path, workspace: int) -> None:
        self.now = time.time_ns() // 1_000_000
        self.connection = store.open_for_writing(store.path(home, workspace))
        if not _has_profiles(self.connection):
            self.connection.executescript(PEOPLE)
        self._seq = 0

    def person(
        self, *identifiers: str, traits: Mapping[str, Any] | None = None, days_ago: float = 100
    ) -> int:
        """`identifiers` are such as "user_id:u1". The id of the profile, whose segment_id is `use_<first identifier>`."""
        at = self.now - int(days_ago * DAY_MS)
        row = self.connection.execute(
            "INSERT INTO profile (segment_id, traits, trait_times, created_at, merges) VALUES (?, ?, '{}', ?, 0)",
            (f"use_{identifiers[0]}", json.dumps(dict(traits or {})), at),
        )
        profile = row.lastrowid
        assert profile
        for identifier in identifiers:
            type_, _, value = identifier.partition(":")
            self.connection.execute(
                "INSERT INTO identifier VALUES (?, ?, ?, ?, 1)", (type_, value, profile, at)
            )
        return profile

    def happened(self, profile: int, name: str, *days_ago: float, **properties: Any) -> None:
        for days in days_ago:
            self._seq += 1
            self.connection.execute(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?)",
                (profile, name, self.now - int(days * DAY_MS), json.dumps(properties), self._seq),
            )

    def computed(self, key: str, *, version: int = 1, state: str = store.LIVE, **columns: Any) -> None:
        """What the worker has made of a definition."""
        row = {"size": 0, "place": 0, "error": "", "computed_at": self.now, **columns}
        self.connection.execute(
            "INSERT INTO definition (key, version, state, size, place, error, computed_at)"
            " VALUES (:key, :version, :state, :size, :place, :error, :computed_at)",
            {"key": key, "version": version, "state": state, **row},
        )

    def members(self, key: str, *profiles: int, flip_at: int = NEVER) -> None:
        self.connection.executemany(
            "INSERT INTO membership VALUES (?, ?, 1, ?)", [(key, profile, flip_at) for profile in profiles]
        )

    def value(self, key: str, profile: int, value: Any) -> None:
        self.connection.execute(
            "INSERT INTO computed VALUES (?, ?, ?, ?)", (key, profile, json.dumps(value), NEVER)
        )

    def changed(self, key: str, days_ago: int, entered: int, exited: int, size: int) -> None:
        day = self.now // DAY_MS - days_ago
        self.connection.execute(
            "INSERT INTO daily_change VALUES (?, ?, ?, ?, ?)", (key, day, entered, exited, size)
        )

    def close(self) -> None:
        self.connection.close()


def _has_profiles(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'profile'").fetchone())


PEOPLE = """
CREATE TABLE profile (
    id INTEGER PRIMARY KEY AUTOINCREMENT, segment_id TEXT NOT NULL UNIQUE, traits TEXT NOT NULL, trait_times TEXT NOT NULL,
    created_at INTEGER NOT NULL, merges INTEGER NOT NULL
);
CREATE TABLE merged (segment_id TEXT PRIMARY KEY, profile INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE identifier (
    type TEXT NOT NULL, value TEXT NOT NULL, profile INTEGER NOT NULL, since INTEGER NOT NULL, source INTEGER NOT NULL,
    PRIMARY KEY (type, value)
) WITHOUT ROWID;
CREATE INDEX identifier_profile ON identifier (profile);
"""
