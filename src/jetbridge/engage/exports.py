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
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(row: Computation) -> Iterator[bytes]:
    """One line per person; several identifiers of a type are separated by "; "."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    has_value = row.computation_class == ComputationClass.TRAIT
    writer.writerow(["profile", *_TYPES, "other", *(["value"] if has_value else [])])
    yield _taken(buffer, "\ufeff")
    for member in queries.export(row):
        values = [msgspec.json.encode(member.value).decode()] if has_value else []
        writer.writerow([_cell(text) for text in (member.segment_id, *_cells(member), *values)])
        yield _taken(buffer)


def json_lines(row: Computation) -> Iterator[bytes]:
    """Objects as the API has them in a page of members."""
    for member in queries.export(row):
        identifiers = [{"type": type_, "value": value} for type_, value in member.identifiers]
        yield (
            msgspec.json.encode(
                {"profile": member.segment_id, "identifiers": identifiers, "value": member.value}
            )
            + b"\n"
        )


def _cells(member: Member) -> Sequence[str]:
    by_type = [
        "; ".join(value for type_, value in member.identifiers if type_ == column) for column in _TYPES
    ]
    others = (f"{type_}:{value}" for type_, value in member.identifiers if type_ not in _TYPES)
    return [*by_type, "; ".join(others)]


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _taken(buffer: io.StringIO, before: str = "") -> bytes:
    line = before + buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return line.encode()
