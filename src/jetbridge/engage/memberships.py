"""Members of an audience, or people who have a value of a computed trait: by page, as a sample, all of them, and as a file.

A file is a table for spreadsheets, or one JSON object per line for programs. Memory does not grow with their number.
"""

import csv
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from jetbridge.engage import store
from jetbridge.engage.models import Computation, ComputationClass
from jetbridge.engage.store import PERSON_SECONDS, Identifier, QueryTimeoutError, identifiers_of, time_limit

#: Most members of one page.
MAX_PAGE = 200
#: An export that takes longer is broken off.
EXPORT_SECONDS = 900.0
#: Places from which a sample is taken.
_PLACES = 50
#: How many people an export reads at once.
_CHUNK = 1_000
#: Columns of the table; identifiers of other types stand in `other` as `type:value`.
_TYPES = ("user_id", "email", "anonymous_id")
#: Lines of one part of a file.
_PART = 500
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Member(NamedTuple):
    """`id` is that of the store, for the next page; `segment_id` names the profile. `value`: of a computed trait, else None.
    `since`: the second at which it was found to be so; None: not known.
    """

    id: int
    segment_id: str
    identifiers: Sequence[Identifier]
    value: Any = None
    since: datetime | None = None


class MemberPage(NamedTuple):
    """`next` is None on the last page."""

    items: Sequence[Member]
    next: int | None


# ---- members


def page(row: Computation, *, after: int = 0, limit: int = 50, search: str = "") -> MemberPage:
    """A page of the members (of a computed trait: of the people who have a value), by key.

    `after`: `next` of the page before. `search`: the beginning of an identifier.
    """
    limit = min(limit, MAX_PAGE)
    with store.open_for_reading(settings.CONFIG.home, row.space.workspace_id) as connection:
        if connection is None:
            return MemberPage((), None)
        with time_limit(connection, PERSON_SECONDS):
            profiles = _member_ids(connection, row, after, limit + 1, search)
            items = _members(connection, row, profiles[:limit])
    return MemberPage(items, profiles[limit - 1] if len(profiles) > limit else None)


def sample(row: Computation, number: int) -> list[Member]:
    """All members if they are at most so many, else some from all over."""
    with store.open_for_reading(settings.CONFIG.home, row.space.workspace_id) as connection:
        if connection is None:
            return []
        with time_limit(connection, PERSON_SECONDS):
            profiles = _member_ids(connection, row, 0, number + 1, "")
            if len(profiles) > number:
                last = store.number(connection, "SELECT max(id) FROM profile")
                places = random.Random(last).sample(range(last), _PLACES)  # noqa: S311
                share = number // _PLACES
                profiles = [id_ for place in places for id_ in _member_ids(connection, row, place, share, "")]
            return _members(connection, row, list(dict.fromkeys(profiles)))


def export(row: Computation) -> Iterator[Member]:
    """All members of one moment, in the order of their ids. Memory does not grow with their number.

    Raises QueryTimeoutError where they are not taken in time: as long as somebody reads, the store's log cannot shrink.
    """
    end = time.monotonic() + EXPORT_SECONDS
    with store.open_for_reading(settings.CONFIG.home, row.space.workspace_id) as connection:
        after = 0
        while connection is not None:
            if time.monotonic() > end:
                raise QueryTimeoutError(f"The export took longer than {EXPORT_SECONDS:g} s.")
            profiles = _member_ids(connection, row, after, _CHUNK, "")
            yield from _members(connection, row, profiles)
            if len(profiles) < _CHUNK:
                return
            after = profiles[-1]


def _member_ids(
    connection: sqlite3.Connection, row: Computation, after: int, limit: int, search: str
) -> list[int]:
    table = (
        "SELECT profile FROM membership WHERE audience = :key AND member = 1"
        if row.computation_class == ComputationClass.AUDIENCE
        else "SELECT profile FROM computed WHERE trait = :key AND value <> "
        "coalesce((SELECT empty FROM definition WHERE key = :key), 'null')"
    )
    begins = (
        " AND profile IN (SELECT profile FROM identifier WHERE type IN ('user_id', 'email', 'anonymous_id')"
        " AND value >= :search AND value < :end)"
        if search
        else ""
    )
    statement = f"{table} AND profile > :after{begins} ORDER BY profile LIMIT :limit"
    parameters = {
        "key": row.key,
        "after": after,
        "limit": limit,
        "search": search,
        "end": f"{search}\U0010ffff",
    }
    return [profile for (profile,) in connection.execute(statement, parameters)]


def _members(connection: sqlite3.Connection, row: Computation, profiles: Sequence[int]) -> list[Member]:
    names, identifiers = store.segment_ids(connection, profiles), identifiers_of(connection, profiles)
    stored: dict[int, Any] = {}
    table = "membership WHERE audience"
    if row.computation_class == ComputationClass.TRAIT:
        stored = store.computed_values(connection, row.key, profiles)
        table = "computed WHERE trait"
    since = dict(
        connection.execute(
            f"SELECT profile, since FROM {table} = ? AND profile IN (SELECT value FROM json_each(?))",
            (row.key, store.json_list(profiles)),
        ).fetchall()
    )
    return [
        Member(
            profile,
            names.get(profile, ""),
            identifiers.get(profile, ()),
            stored.get(profile),
            store.moment(since[profile] // 1_000 * 1_000),
        )
        for profile in profiles
    ]


# ---- files


def csv_parts(row: Computation) -> Iterator[bytes]:
    """One line per person; several identifiers of a type are separated by "; "."""
    lines: list[str] = ["\ufeff"]
    writer = csv.writer(SimpleNamespace(write=lines.append))
    has_value = row.computation_class == ComputationClass.TRAIT
    writer.writerow(["profile", *_TYPES, "other", *(["value"] if has_value else []), "since"])
    for member in export(row):
        cells = [member.segment_id]
        cells += [
            "; ".join(value for type_, value in member.identifiers if type_ == column) for column in _TYPES
        ]
        cells.append(
            "; ".join(f"{type_}:{value}" for type_, value in member.identifiers if type_ not in _TYPES)
        )
        if has_value:
            cells.append(msgspec.json.encode(member.value).decode())
        cells.append(member.since.isoformat() if member.since else "")
        writer.writerow([f"'{text}" if text.startswith(_FORMULA) else text for text in cells])
        if len(lines) >= _PART:
            yield "".join(lines).encode()
            lines.clear()
    yield "".join(lines).encode()


def json_parts(row: Computation) -> Iterator[bytes]:
    """A line per person: the object that the API has in a page of members."""
    lines: list[bytes] = []
    for member in export(row):
        identifiers = [{"type": type_, "value": value} for type_, value in member.identifiers]
        person = {
            "profile": member.segment_id,
            "identifiers": identifiers,
            "value": member.value,
            "since": member.since,
        }
        lines.append(msgspec.json.encode(person) + b"\n")
        if len(lines) >= _PART:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)
