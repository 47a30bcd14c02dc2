"""A workspace's store with people in it, as the worker would have left it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jetbridge.engage import store
from jetbridge.engage.dialect import NEVER

DAY_MS = 86_400_000


class Store:
    """`person(...)` and `happened(...)` write what `identity` and the worker's consumer would."""

    def __init__(self, home: Path, workspace: int) -> None:
        self.now = time.time_ns() // 1_000_000
        self.connection = store.open_for_writing(store.path(home, workspace))
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
                "INSERT INTO event (profile, name, ts, props, seq) VALUES (?, ?, ?, ?, ?)",
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

    def members(self, key: str, *profiles: int, flip_at: int = NEVER, since: int = 0) -> None:
        self.connection.executemany(
            "INSERT INTO membership VALUES (?, ?, 1, ?, ?)",
            [(key, profile, flip_at, since) for profile in profiles],
        )

    def value(self, key: str, profile: int, value: Any) -> None:
        self.connection.execute(
            "INSERT INTO computed VALUES (?, ?, ?, ?, 0)", (key, profile, json.dumps(value), NEVER)
        )

    def changed(self, key: str, days_ago: int, entered: int, exited: int, size: int) -> None:
        day = self.now // DAY_MS - days_ago
        self.connection.execute(
            "INSERT INTO daily_change VALUES (?, ?, ?, ?, ?)", (key, day, entered, exited, size)
        )

    def close(self) -> None:
        self.connection.close()
