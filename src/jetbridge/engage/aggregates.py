"""What SQLite cannot compute exactly: decimals, values compared as text, and the event with which a value goes.

Each aggregate takes the JSON text of a value and the time of its event (ms), in any order. It gives a JSON list: the time of
the first event without which the value may be another one, and the value. Without a value it gives None.
"""

import json
import math
from collections.abc import Iterable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import Protocol

#: Distinct values of a list, as at Segment.
MAX_DISTINCT_VALUES = 10_000
#: Significant digits of an average: whole numbers of 64 bits, and the shortest text of each double, have no more.
AVERAGE_DIGITS = 19

#: Doubles lie between 1e309 and 5e-324 and have 17 digits: any sum of them is exact with so many.
_EXACT = Context(prec=1_000, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX)
_AVERAGE = Context(prec=AVERAGE_DIGITS, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX)
#: From here on the nearest double is infinite, and readers of JSON refuse the number.
_TOO_LARGE = Decimal(2**1024 - 2**970)
_INT64 = 2**63


class Aggregate(Protocol):
    def step(self, text: str, ts: int) -> None: ...

    def finalize(self) -> str | None: ...


def number(text: str) -> Decimal:
    """The value of a JSON number: the decimal that its shortest text shows. Infinite beyond the doubles.

    Whole numbers beyond 64 bits count as the nearest double.
    """
    if len(text) <= 16 and "e" not in text and "E" not in text:
        return Decimal(text)  # a double shows up to 15 digits as they are written
    if len(text) <= 20 and text.lstrip("-").isdigit() and -_INT64 <= int(text) < _INT64:
        return Decimal(text)
    return Decimal(repr(float(text)))


def number_text(value: Decimal) -> str:
    """The shortest JSON of a finite number; equal numbers have equal texts. Without exponent from 1e-7 to below 1e19."""
    if not value:
        return "0"
    value = value.normalize(_EXACT)
    if -7 <= value.adjusted() <= 18:
        return format(value, "f")
    sign, digits, _ = value.as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    return f"{'-' * sign}{first}{'.' * bool(rest)}{rest}e{value.adjusted():+d}"


class ExactSum:
    def __init__(self) -> None:
        self.total = Decimal(0)
        self.count = 0
        self.oldest = math.inf

    def step(self, text: str, ts: int) -> None:
        value = number(text)
        if value.is_finite():
            self.total = _EXACT.add(self.total, value)
            self.count += 1
            if ts < self.oldest:  # noqa: PLR1730 - `min` takes a third of the step
                self.oldest = ts

    def finalize(self) -> str | None:
        if not self.count:
            return None
        value = "null" if abs(self.total) >= _TOO_LARGE else number_text(self.total)
        return f"[{self.oldest},{value}]"


class ExactAverage(ExactSum):
    def finalize(self) -> str | None:
        if not self.count:
            return None
        return f"[{self.oldest},{number_text(_AVERAGE.divide(self.total, Decimal(self.count)))}]"


class ExactMin:
    def __init__(self) -> None:
        self.value: Decimal | None = None
        self.newest = 0

    def step(self, text: str, ts: int) -> None:
        value = number(text)
        if self.value is None or self.precedes(value, self.value):
            if value.is_finite():
                self.value, self.newest = value, ts
        elif value == self.value:
            self.newest = max(self.newest, ts)

    def precedes(self, value: Decimal, other: Decimal) -> bool:
        return value < other

    def finalize(self) -> str | None:
        return None if self.value is None else f"[{self.newest},{number_text(self.value)}]"


class ExactMax(ExactMin):
    def precedes(self, value: Decimal, other: Decimal) -> bool:
        return value > other


class MostFrequent:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.oldest = math.inf

    def step(self, text: str, ts: int) -> None:
        self.counts[text] = self.counts.get(text, 0) + 1
        self.oldest = min(self.oldest, ts)

    def finalize(self) -> str | None:
        groups = _by_text(self.counts)
        if not groups:
            return None
        # The most frequent, then the first text.
        count, _, spellings = min(
            (-sum(self.counts[spelling] for spelling in spellings), text, spellings)
            for text, spellings in groups.items()
        )
        return None if count > -2 else f"[{self.oldest},{min(spellings)}]"


class UniqueList:
    def __init__(self) -> None:
        self.newest: dict[str, int] = {}

    def step(self, text: str, ts: int) -> None:
        if ts > self.newest.get(text, -1):
            self.newest[text] = ts

    def finalize(self) -> str | None:
        groups = _by_text(self.newest)
        if not groups:
            return None
        values = [min(groups[text]) for text in sorted(groups)[:MAX_DISTINCT_VALUES]]
        return f"[{min(self.newest[value] for value in values)},[{','.join(values)}]]"


class UniqueListCount(UniqueList):
    def finalize(self) -> str | None:
        groups = _by_text(self.newest)
        if not groups:
            return None
        first = min(max(self.newest[spelling] for spelling in spellings) for spellings in groups.values())
        return f"[{first},{min(len(groups), MAX_DISTINCT_VALUES)}]"


#: By the name of the SQL function.
AGGREGATES: Mapping[str, type[Aggregate]] = {
    "exact_sum": ExactSum,
    "exact_avg": ExactAverage,
    "exact_min": ExactMin,
    "exact_max": ExactMax,
    "most_frequent": MostFrequent,
    "unique_list": UniqueList,
    "unique_list_count": UniqueListCount,
}


def _by_text(spellings: Iterable[str]) -> dict[str, list[str]]:
    """JSON texts of scalars, by the text as which they are compared."""
    groups: dict[str, list[str]] = {}
    for spelling in spellings:
        groups.setdefault(_text(spelling), []).append(spelling)
    return groups


def _text(spelling: str) -> str:
    if spelling.startswith('"'):
        return json.loads(spelling) if "\\" in spelling else spelling[1:-1]
    if spelling in {"true", "false"}:
        return spelling
    value = number(spelling)
    return number_text(value) if value.is_finite() else spelling
