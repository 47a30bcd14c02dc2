"""Properties that Mailjet has as text although their values are numbers, dates or true/false.

That happens when a CSV import or another tool created them. Values arrive, as text, and segments cannot compare
them (`age > 40`).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from jetbridge.integrations.mailjet.api.properties import datatype_of, is_empty, kind_of
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.spec.untrusted import JSON_ERRORS

#: How many of the newest contacts are read.
SAMPLE = 1_000


class Mistyped(NamedTuple):
    """`kinds` is what a person calls the values; `datatype` what Jetbridge would have chosen."""

    property: str
    values: int
    kinds: str
    datatype: str


def mistyped(account: int, datatypes: Mapping[str, str]) -> list[Mistyped]:
    """Read the newest contacts of an account; `datatypes` are Mailjet's. Contacts that cannot be read are skipped."""
    kinds: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for (row,) in queries.rows(queries.NEWEST_DESIRED, account, SAMPLE):
        with suppress(ValueError, *JSON_ERRORS):
            for name, value in state.decode_desired(row).present_values.items():
                if not is_empty(value) and datatypes.get(name) == "str":
                    kinds[name][datatype_of(value), kind_of(value)] += 1
    mistyped = []
    for name, counts in sorted(kinds.items()):
        plurals = {kind if kind == "true/false" else f"{kind}s" for _, kind in counts}
        # The one Datatype that all values fit, other than text
        value_types = {datatype for datatype, _ in counts}
        if value_types == {"int", "float"}:
            value_types = {"float"}
        if len(value_types) == 1 and "str" not in value_types:
            kinds_text = " and ".join(sorted(plurals))
            mistyped.append(Mistyped(name, counts.total(), kinds_text, value_types.pop()))
    return mistyped
