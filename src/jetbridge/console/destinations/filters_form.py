"""One filter as a form: its name, what it does, and which messages are meant, by rows or by an FQL expression."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import msgspec
from django.db.models import QuerySet
from django.http import QueryDict

from jetbridge.control.models import Source
from jetbridge.routing import properties, rows
from jetbridge.routing.filters import (
    Action,
    AllowProperties,
    Drop,
    DropProperties,
    Filter,
    InvalidFilters,
    OnlySend,
    Sample,
    dump,
    parse_filters,
)
from jetbridge.routing.fql import nodes as fql
from jetbridge.routing.fql.compiler import parse
from jetbridge.routing.fql.nodes import FQLSyntaxError, to_text, write_path
from jetbridge.routing.rows import OPERATORS, Row, WrongRow
from jetbridge.source_schema.models import NameRow
from jetbridge.spec.untrusted import whole_number

#: Names of traits and properties that are suggested as fields.
SUGGESTED = 200
_ALWAYS = ("type", "event", "userId", "traits.email", "context.ip", "context.page.path")

EMPTY = Row("", "is")
_EVERY_MESSAGE = fql.Literal(value=True)

#: What a form calls an action, by its type.
ACTIONS = {
    "DROP": "Drop them",
    "ONLY_SEND": "Send only them",
    "SAMPLE": "Send a sample of them",
    "DROP_PROPERTIES": "Take properties away",
    "ALLOW_PROPERTIES": "Keep only some properties",
}


@dataclass
class Draft:
    """What is typed so far, good or not. `original` is the name that it has now; "" for a new one."""

    original: str = ""
    name: str = ""
    enabled: bool = True
    action: str = "DROP"
    #: Of a sample: how many in a hundred, and the field whose values stay together.
    percent: str = "10"
    by: str = ""
    #: One path of a property per line.
    properties: str = ""
    #: Whether the messages are described by rows or by an expression.
    mode: Literal["rows", "expression"] = "rows"
    match: Literal["all", "any", "every"] = "all"
    rows: list[Row] = field(default_factory=lambda: [EMPTY])
    expression: str = ""

    @classmethod
    def of(cls, stored: Filter) -> Self:
        draft = cls(stored.name, stored.name, stored.enabled, expression=stored.condition)
        match stored.action:
            case Sample(percent, path):
                draft.action, draft.percent, draft.by = "SAMPLE", f"{percent * 100:g}", path
            case DropProperties(fields) | AllowProperties(fields):
                draft.properties = "\n".join(properties.write(fields))
        draft.action = msgspec.to_builtins(stored.action)["type"]
        draft.to_rows()
        return draft

    @classmethod
    def typed(cls, form: QueryDict, *, name: str = "name") -> Self:
        """`name` is the field of the filter's name. `more` adds a row, `less` removes the one with this number, `mode` says
        how the messages are to be described from now on.
        """
        columns = [form.getlist(column) for column in ("field", "operator", "value")]
        typed = [Row(*(part.strip() for part in row)) for row in zip(*columns, strict=False)]
        if "more" in form:
            typed.append(EMPTY)
        less = whole_number(form.get("less", ""))
        typed = [row for number, row in enumerate(typed) if number != less]
        match = form.get("match", "")
        draft = cls(
            original=form.get("original", ""),
            name=form.get(name, "").strip(),
            enabled=form.get("enabled") == "yes",
            action=form.get("action", "DROP"),
            percent=form.get("percent", "10").strip(),
            by=form.get("by", "").strip(),
            properties=form.get("properties", ""),
            mode="expression" if form.get("described") == "expression" else "rows",
            match="any" if match == "any" else "every" if match == "every" else "all",
            rows=typed or [EMPTY],
            expression=form.get("expression", "").strip(),
        )
        if form.get("mode") == "expression":
            draft.to_expression()
        elif form.get("mode") == "rows":
            draft.to_rows()
        return draft

    def to_rows(self) -> None:
        """Describe the messages by rows, if rows can say what the expression does."""
        node = _read(self.expression)
        conditions = rows.read(node) if node else None
        self.mode = "rows" if conditions or node in {None, _EVERY_MESSAGE} else "expression"
        if conditions:
            self.match, self.rows = conditions
        elif node == _EVERY_MESSAGE:
            self.match = "every"

    def to_expression(self) -> None:
        self.mode = "expression"
        try:
            self.expression = self._condition_of_rows()
        except WrongRow:  # unfinished rows cannot be written as an expression
            self.expression = ""

    @property
    def paths(self) -> list[str]:
        """Of the properties that are named."""
        return [line.strip() for line in self.properties.splitlines() if line.strip()]

    @property
    def fits_rows(self) -> bool:
        node = _read(self.expression)
        if node is None or node == _EVERY_MESSAGE:
            return True
        return rows.read(node) is not None

    @property
    def is_begun(self) -> bool:
        return bool(self.name or self.expression or any(row.field or row.value for row in self.rows))

    @property
    def problem(self) -> str:
        """What is wrong with what is begun."""
        try:
            if self.is_begun:
                self.filter()
        except InvalidFilters as error:
            return str(error)
        return ""

    def filter(self) -> Filter:
        """Raises InvalidFilters."""
        try:
            condition = self.expression if self.mode == "expression" else self._condition_of_rows()
            action = self._action()
        except ValueError as error:
            raise InvalidFilters(str(error)) from None
        if not condition:
            raise InvalidFilters("Write an expression: which messages are meant?")
        made = Filter(self.name or "without a name", condition, action, self.enabled)
        parse_filters(dump([made]))
        if not self.name:
            raise InvalidFilters("Give the filter a name.")
        return made

    def _condition_of_rows(self) -> str:
        if self.match == "every":
            return "all"
        begun = [row for row in self.rows if row.field or row.value]
        if not begun:
            raise WrongRow("A filter needs a condition: choose a field, or every message.")
        return to_text(rows.write(begun, self.match))

    def _action(self) -> Action:
        fields = properties.read(self.paths) if self.action.endswith("_PROPERTIES") else {}
        match self.action:
            case "ONLY_SEND":
                return OnlySend()
            case "SAMPLE":
                return Sample(_share(self.percent), self.by)
            case "DROP_PROPERTIES":
                return DropProperties(fields)
            case "ALLOW_PROPERTIES":
                return AllowProperties(fields)
        return Drop()


def _read(expression: str) -> fql.Node | None:
    """None if it cannot be read."""
    try:
        return parse(expression)
    except FQLSyntaxError:
        return None


def _share(percent: str) -> float:
    try:
        share = float(percent) / 100
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise ValueError("A sample is a number from 0 to 100, in percent.")
    return share


def choices(sources: QuerySet[Source]) -> dict[str, Any]:
    """What a form offers to choose from: of the messages that these sources brought, and operators."""
    ids = list(sources.values_list("id", flat=True))
    return {
        "actions": ACTIONS,
        "operators": OPERATORS,
        "fields": fields_seen(ids),
        "events": events_seen(ids),
    }


def fields_seen(sources: Collection[int]) -> list[str]:
    """Fields of the messages that sources brought, as FQL writes them."""
    names = (
        NameRow.objects.filter(source_id__in=sources)
        .exclude(name="")
        .order_by("-total")
        .values_list("type", "name")[:SUGGESTED]
    )
    return _unique(
        [
            *_ALWAYS,
            *(
                write_path(["traits" if kind in {"identify", "group"} else "properties", name])
                for kind, name in names
            ),
        ]
    )


def events_seen(sources: Collection[int]) -> list[str]:
    """Names of events, to compare with."""
    events = NameRow.objects.filter(source_id__in=sources, type="track", name="")
    return _unique(events.order_by("-total").values_list("event", flat=True)[:SUGGESTED])


def replaced(filters: Sequence[Filter], original: str, new: Filter) -> list[Filter]:
    """With a filter in the place of the one that was named so, or at the end."""
    if original and any(row.name == original for row in filters):
        return [new if row.name == original else row for row in filters]
    return [*filters, new]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))
