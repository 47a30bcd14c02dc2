"""Properties that Mailjet has as text although their values are numbers, dates or true/false.

That happens when a CSV import or another tool made them. Values arrive, as text, and segments cannot compare
them (`age > 40`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from jetbridge.integrations.mailjet.api.properties import datatype_of, is_empty, kind_of
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.spec.untrusted import JSON_ERRORS

#: How many of the newest contacts are looked at.
SAMPLE = 1_000


class Mistyped(NamedTuple):
    """`kinds` is what a person calls the values; `datatype` what Jetbridge would have chosen."""

    property: str
    values: int
    kinds: str
    datatype: str


def mistyped(account: int, datatypes: Mapping[str, str]) -> list[Mistyped]:
    """Look at the newest contacts of an account; `datatypes` are Mailjet's."""
    rows = queries.rows(queries.NEWEST_DESIRED, account, SAMPLE)
    return _mistyped(_values(row for (row,) in rows), datatypes)


def _values(rows: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Without those that cannot be read."""
    for row in rows:
        with suppress(ValueError, *JSON_ERRORS):
            yield state.decode_desired(row).present_values


def _mistyped(contacts: Iterable[dict[str, Any]], datatypes: Mapping[str, str]) -> list[Mistyped]:
    kinds: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for values in contacts:
        for name, value in values.items():
            if not is_empty(value) and datatypes.get(name) == "str":
                kinds[name][datatype_of(value), kind_of(value)] += 1
    return [
        Mistyped(name, found.total(), " and ".join(sorted({_many(kind) for _, kind in found})), datatype)
        for name, found in sorted(kinds.items())
        if (datatype := _common({asked for asked, _ in found}))
    ]


def _many(kind: str) -> str:
    return kind if kind == "true/false" else f"{kind}s"


def _common(datatypes: set[str]) -> str | None:
    """The one Datatype that all values fit, other than text."""
    if datatypes == {"int", "float"}:
        return "float"
    return next(iter(datatypes)) if len(datatypes) == 1 and "str" not in datatypes else None
