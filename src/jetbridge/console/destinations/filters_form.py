"""One filter as a form: its name, and rows of conditions. Rows left empty are no conditions."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import QueryDict

from jetbridge.control.models import Source
from jetbridge.routing.filters import Condition, Filter, WrongFilters, dump, parse
from jetbridge.routing.operators import OPERATORS
from jetbridge.schema.models import NameRow

#: Names of traits and properties that are suggested as fields.
SUGGESTED = 200
_ALWAYS = ("type", "event", "userId", "traits.email", "context.ip", "context.page.path")

EMPTY = Condition("", "is")


@dataclass
class Draft:
    """What is typed so far, good or not. `original` is the name that it has now; "" for a new one."""

    original: str = ""
    name: str = ""
    match: Literal["all", "any"] = "all"
    enabled: bool = True
    conditions: list[Condition] = field(default_factory=lambda: [EMPTY])

    @classmethod
    def of(cls, row: Filter) -> "Draft":
        return cls(row.name, row.name, row.match, row.enabled, list(row.conditions))

    @classmethod
    def typed(cls, form: QueryDict, *, name: str = "name") -> "Draft":
        """`name` is the field of the filter's name; `more` adds a row, `less` removes the one with this number."""
        columns = [form.getlist(each) for each in ("field", "operator", "value")]
        rows = [Condition(*(part.strip() for part in row)) for row in zip(*columns, strict=False)]
        if "more" in form:
            rows.append(EMPTY)
        if (less := form.get("less", "")).isdecimal():
            rows = [row for number, row in enumerate(rows) if number != int(less)]
        return cls(
            form.get("original", ""),
            form.get(name, "").strip(),
            "any" if form.get("match") == "any" else "all",
            form.get("enabled") == "yes",
            rows or [EMPTY],
        )

    @property
    def is_begun(self) -> bool:
        return bool(self.name or any(row.field or row.value for row in self.conditions))

    @property
    def problem(self) -> str:
        """What is wrong with what is begun."""
        try:
            if self.is_begun:
                self.filter()
        except WrongFilters as error:
            return str(error)
        return ""

    def filter(self) -> Filter:
        """Raises WrongFilters."""
        rows = [row for row in self.conditions if row.field or row.value]
        made = Filter(self.name or "without a name", rows, self.match, self.enabled)
        if not rows:
            raise WrongFilters("A filter needs a condition: choose a field.")
        parse(dump([made]))
        if not self.name:
            raise WrongFilters("Give the filter a name.")
        return made


def choices(sources: QuerySet[Source]) -> dict[str, Any]:
    """What a form offers to choose from: of the messages that these sources brought, and operators."""
    ids = list(sources.values_list("id", flat=True))
    return {"operators": OPERATORS, "fields": fields_seen(ids), "events": events_seen(ids)}


def fields_seen(sources: Collection[int]) -> list[str]:
    """Fields of the messages that sources brought."""
    found = (
        NameRow.objects.filter(source_id__in=sources)
        .exclude(name="")
        .order_by("-total")
        .values_list("type", "name")[:SUGGESTED]
    )
    return _unique([*_ALWAYS, *(_path(kind, name) for kind, name in found)])


def events_seen(sources: Collection[int]) -> list[str]:
    """Names of events, to compare with."""
    rows = NameRow.objects.filter(source_id__in=sources, type="track", name="")
    return _unique(rows.order_by("-total").values_list("event", flat=True)[:SUGGESTED])


def replaced(filters: Sequence[Filter], original: str, new: Filter) -> list[Filter]:
    """With a filter in the place of the one that was named so, or at the end."""
    if original and any(row.name == original for row in filters):
        return [new if row.name == original else row for row in filters]
    return [*filters, new]


def _path(kind: str, name: str) -> str:
    return f"{'traits' if kind in {'identify', 'group'} else 'properties'}.{name}"


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))
