"""Members as a file: a table for spreadsheets, or one JSON object per line for programs. Memory does not grow with their number."""

import csv
import io
from collections.abc import Iterator, Sequence

import msgspec

from jetbridge.engage import queries
from jetbridge.engage.models import Computation, ComputationClass
from jetbridge.engage.queries import Member

#: Columns of the table; identifiers of other types stand in `other` as `type:value`.
_TYPES = ("user_id", "email", "anonymous_id")
#: Bytes of one part of a file.
_PART = 64 * 1024
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_parts(row: Computation) -> Iterator[bytes]:
    """One line per person; several identifiers of a type are separated by "; "."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    has_value = row.computation_class == ComputationClass.TRAIT
    buffer.write("\ufeff")
    writer.writerow(["profile", *_TYPES, "other", *(["value"] if has_value else []), "since"])
    for member in queries.export(row):
        values = [msgspec.json.encode(member.value).decode()] if has_value else []
        since = member.since.isoformat() if member.since else ""
        writer.writerow([_cell(text) for text in (member.segment_id, *_cells(member), *values, since)])
        if buffer.tell() >= _PART:
            yield _taken(buffer)
    yield _taken(buffer)


def json_parts(row: Computation) -> Iterator[bytes]:
    """A line per person: the object that the API has in a page of members."""
    buffer = io.StringIO()
    for member in queries.export(row):
        identifiers = [{"type": type_, "value": value} for type_, value in member.identifiers]
        person = {
            "profile": member.segment_id,
            "identifiers": identifiers,
            "value": member.value,
            "since": member.since,
        }
        buffer.write(f"{msgspec.json.encode(person).decode()}\n")
        if buffer.tell() >= _PART:
            yield _taken(buffer)
    yield _taken(buffer)


def _cells(member: Member) -> Sequence[str]:
    by_type = [
        "; ".join(value for type_, value in member.identifiers if type_ == column) for column in _TYPES
    ]
    others = (f"{type_}:{value}" for type_, value in member.identifiers if type_ not in _TYPES)
    return [*by_type, "; ".join(others)]


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
