"""A definition as the builder has it: rows of a form, good or not, which become JSON, and JSON that becomes rows.

Each row has an id that names its place ("c-1-0": the first row of the second row), with which its fields begin.

Values stand in it as people type them: `premium`, `5`, `true`, and `"5"` in quotation marks where a text looks like a number. What is
shown is read back as the same value.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from jetbridge.engage import definition as language
from jetbridge.engage.definition import (
    AFFIX_OPS,
    DATE_OPS,
    KINDS_WITHOUT_PROPERTY,
    LIST_OPS,
    MAX_DEPTH,
    PRESENCE_OPS,
    RELATIVE_DATE_OPS,
    All,
    Audience,
    Between,
    Computed,
    DefinitionError,
    Event,
    Funnel,
    Node,
    Not,
    Scalar,
    Session,
    Trait,
    Within,
)
from jetbridge.engage.definition import Any as AnyOf
from jetbridge.spec.untrusted import whole_number

Kind = Literal["group", "event", "funnel", "trait", "audience"]
KINDS: Mapping[str, str] = {
    "event": "What they did",
    "funnel": "A sequence of two",
    "trait": "Who they are",
    "audience": "Another audience",
    "group": "A group",
}
UNITS: Mapping[str, str] = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
#: Id of the outermost group.
ROOT = "c"
#: Conditions on properties that are read of one event: more are refused by the definition itself.
_MOST = 30
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
#: An item of a list: in quotation marks, or up to the next comma.
_ITEM = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*(?=,|\Z)|[^,]*')


@dataclass
class Duration:
    """A number and a unit, as they are typed."""

    number: str = "7"
    unit: str = "d"

    @classmethod
    def typed(cls, form: Mapping[str, str], name: str) -> Self:
        unit = form.get(f"{name}.unit", "d")
        return cls(form.get(name, "").strip(), unit if unit in UNITS else "d")

    @classmethod
    def of(cls, ms: int) -> Self:
        text = language.duration_text(ms)
        return cls(text[:-1], text[-1])

    @property
    def text(self) -> str:
        return f"{self.number}{self.unit}"


@dataclass
class Condition:
    """A comparison of a property or of a trait. `id` is the beginning of its fields."""

    path: str = ""
    op: str = "="
    value: str = ""
    unit: str = "d"
    id: str = ""
    focus: bool = False

    @classmethod
    def typed(cls, form: Mapping[str, str], name: str) -> Self:
        path, op, value = (form.get(f"{name}.{part}", "").strip() for part in ("path", "op", "value"))
        return cls(path, op or "=", value, Duration.typed(form, name).unit)

    @classmethod
    def of(cls, condition: language.Condition) -> Self:
        op, value = condition.op, condition.value
        if value is None:
            return cls(condition.path, op)
        if op in RELATIVE_DATE_OPS and isinstance(value, int):
            duration = Duration.of(value)
            return cls(condition.path, op, duration.number, duration.unit)
        if isinstance(value, tuple):
            return cls(condition.path, op, show_items(value))
        if isinstance(value, str) and op in AFFIX_OPS | DATE_OPS:
            return cls(condition.path, op, show_text(value))
        return cls(condition.path, op, show_scalar(value))

    @property
    def has_value(self) -> bool:
        return self.op not in PRESENCE_OPS

    def json_value(self) -> object:
        if self.op in RELATIVE_DATE_OPS:
            return f"{self.value}{self.unit}"
        if self.op in LIST_OPS:
            return read_items(self.value)
        if self.op in AFFIX_OPS | DATE_OPS:
            return read_text(self.value)
        return read_scalar(self.value)


@dataclass
class Step:
    """An event with conditions on its properties. `part` names its fields: "first" or "then"."""

    event: str = ""
    where: list[Condition] = field(default_factory=list)
    id: str = ""
    focus: bool = False

    @classmethod
    def typed(cls, form: Mapping[str, str], name: str) -> Self:
        where = []
        for number in range(_MOST):
            if f"{name}.w{number}.path" not in form:
                break
            where.append(Condition.typed(form, f"{name}.w{number}"))
        return cls(form.get(f"{name}.event", "").strip(), where)

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(event.name, [Condition.of(condition) for condition in event.where])

    def json(self) -> dict[str, object]:
        made: dict[str, object] = {"event": self.event}
        if self.where:
            made["where"] = [
                [row.path, row.op, row.json_value()] if row.has_value else [row.path, row.op]
                for row in self.where
            ]
        return made


@dataclass
class Row:
    """A condition of an audience, or a group of them. Which fields count depends on its kind."""

    kind: Kind = "event"
    negated: bool = False
    #: Of a group.
    match: Literal["all", "any"] = "all"
    rows: list["Row"] = field(default_factory=list)
    #: Of an event, and of the first one of a sequence.
    first: Step = field(default_factory=Step)
    comparator: str = ">="
    count: str = "1"
    window: Literal["ever", "within", "between"] = "within"
    within: Duration = field(default_factory=Duration)
    #: The newer and the older end of a window between.
    newer: Duration = field(default_factory=lambda: Duration("30"))
    older: Duration = field(default_factory=lambda: Duration("90"))
    #: Of a sequence.
    then: Step = field(default_factory=Step)
    gap: Duration = field(default_factory=lambda: Duration("1", "h"))
    did: bool = True
    condition: Condition = field(default_factory=Condition)
    audience: str = ""
    id: str = ROOT
    #: "2.1": the first one of the second group. "" of the outermost.
    number: str = ""
    error: str = ""
    #: Its field, or button, that gets the focus.
    focus: str = ""

    @classmethod
    def typed(cls, form: Mapping[str, str], id_: str = ROOT, depth: int = 1) -> Self:
        kind = form.get(f"{id_}.kind", "")
        row = cls(
            kind=kind if kind in KINDS else "group",  # type: ignore[arg-type]
            negated=form.get(f"{id_}.negated") == "yes",
            match="any" if form.get(f"{id_}.match") == "any" else "all",
        )
        match row.kind:
            case "group":
                # One deeper than is possible: the definition says so.
                while depth <= MAX_DEPTH and f"{id_}-{len(row.rows)}.kind" in form:
                    row.rows.append(cls.typed(form, f"{id_}-{len(row.rows)}", depth + 1))
            case "event" | "funnel":
                row.first, row.then = (Step.typed(form, f"{id_}.{part}") for part in ("first", "then"))
                row.comparator = form.get(f"{id_}.comparator", ">=")
                row.count = form.get(f"{id_}.count", "").strip()
                window = form.get(f"{id_}.window", "")
                row.window = window if window in {"within", "between"} else "ever"  # type: ignore[assignment]
                row.within, row.newer, row.older, row.gap = (
                    Duration.typed(form, f"{id_}.{name}") for name in ("within", "newer", "older", "gap")
                )
                row.did = form.get(f"{id_}.did") != "no"
            case "trait":
                row.condition = Condition.typed(form, id_)
            case "audience":
                row.audience = form.get(f"{id_}.audience", "").strip()
        return row

    @classmethod
    def of(cls, node: Node) -> Self:
        match node:
            case Not(inner):
                row = cls.of(inner)
                row.negated = not row.negated
                return row
            case All(nodes) | AnyOf(nodes):
                rows = [cls.of(child) for child in nodes]
                return cls("group", match="all" if isinstance(node, All) else "any", rows=list(rows))
            case Event():
                row = cls("event", first=Step.of(node), comparator=node.comparator, count=str(node.count))
                row.set_window(node.window)
                return row
            case Funnel(first, then, within_ms, did):
                row = cls(
                    "funnel", first=Step.of(first), then=Step.of(then), gap=Duration.of(within_ms), did=did
                )
                row.set_window(first.window)
                return row
            case Trait(condition):
                return cls("trait", condition=Condition.of(condition))
            case Audience(key):
                return cls("audience", audience=key)

    def set_window(self, window: Within | Between | None) -> None:
        match window:
            case Within(ms):
                self.window, self.within = "within", Duration.of(ms)
            case Between(newer, older):
                self.window, self.newer, self.older = "between", Duration.of(newer), Duration.of(older)
            case None:
                self.window = "ever"

    @property
    def is_new(self) -> bool:
        """Nothing that says what is meant is typed yet."""
        return not (self.rows or self.first.event or self.condition.path or self.audience)

    @property
    def all_rows(self) -> Iterator["Row"]:
        """It, and all below it."""
        yield self
        for row in self.rows:
            yield from row.all_rows

    def json(self, place: str, places: dict[str, "Row"]) -> dict[str, object]:
        """As JSON, whatever is wrong with it; `places` is filled with where in the JSON each row is."""
        places[place] = self
        if self.negated:
            inner = f"{place}.not" if place else "not"
            return {"not": self._plain(inner, places)}
        return self._plain(place, places)

    def _plain(self, place: str, places: dict[str, "Row"]) -> dict[str, object]:
        places[place] = self
        match self.kind:
            case "group":
                inside = f"{place}.{self.match}" if place else self.match
                rows = [row.json(f"{inside}[{number}]", places) for number, row in enumerate(self.rows)]
                return {self.match: rows}
            case "event":
                made = self.first.json() | self.window_json()
                if (self.comparator, self.count) != (">=", "1"):
                    count = whole_number(self.count)
                    made["count"] = [self.comparator, self.count if count is None else count]
                return made
            case "funnel":
                funnel = {"first": self.first.json() | self.window_json(), "then": self.then.json()}
                return {"funnel": {**funnel, "within": self.gap.text, "did": self.did}}
            case "trait":
                trait: dict[str, object] = {"trait": self.condition.path, "op": self.condition.op}
                return {**trait, "value": self.condition.json_value()} if self.condition.has_value else trait
            case "audience":
                return {"audience": self.audience}

    def window_json(self) -> dict[str, object]:
        match self.window:
            case "within":
                return {"within": self.within.text}
            case "between":
                return {"between": [self.newer.text, self.older.text]}
        return {}


class Draft:
    """The whole definition. Its outermost row is a group."""

    def __init__(self, root: Row | None = None) -> None:
        if root is None:
            root = Row("group", rows=[Row(first=Step(focus=False))])
        elif root.kind != "group":
            root = Row("group", rows=[root])
        self.root = root
        self.places: dict[str, Row] = {}
        self._number()

    @classmethod
    def typed(cls, form: Mapping[str, str]) -> Self:
        return cls(Row.typed(form) if f"{ROOT}.kind" in form else None)

    @classmethod
    def of(cls, node: Node | Computed) -> Self:
        assert not isinstance(node, Computed), "an audience"
        return cls(Row.of(node))

    def json(self) -> dict[str, object]:
        """One condition alone stands by itself."""
        self.places = {}
        if len(self.root.rows) == 1 and not self.root.negated:
            return self.root.rows[0].json("", self.places)
        return self.root.json("", self.places)

    @property
    def is_new(self) -> bool:
        return all(row.is_new for row in self.root.rows)

    def row_at(self, place: str) -> tuple[Row, str]:
        """The row that a place in the JSON belongs to, and the rest of the place within it. After `json`."""
        fitting = [
            known
            for known in self.places
            if not known or place == known or place.startswith((f"{known}.", f"{known}["))
        ]
        longest = max(fitting, key=len, default="")
        return self.places.get(longest, self.root), place[len(longest) :].lstrip(".")

    # ---- what buttons do

    def change(self, action: str) -> None:
        """`add-KIND:ID`, `remove:ID`, `add-where:ID.PART`, `remove-where:ID.PART.NUMBER`. What names nothing does nothing."""
        verb, _, target = action.partition(":")
        id_, *rest = target.split(".")
        rows = {row.id: row for row in self.root.all_rows}
        row = rows.get(id_)
        if row is None:
            return
        if verb.startswith("add-") and (kind := verb.removeprefix("add-")) in KINDS and row.kind == "group":
            row.rows.append(_new(kind))
        elif verb == "remove" and row is not self.root:
            group = rows[id_.rpartition("-")[0]]
            at = next(number for number, other in enumerate(group.rows) if other is row)
            del group.rows[at]
            if group.rows:
                group.rows[min(at, len(group.rows) - 1)].focus = "remove"
            else:
                group.focus = "add"
        elif verb in {"add-where", "remove-where"} and rest and rest[0] in {"first", "then"}:
            step = row.first if rest[0] == "first" else row.then
            if verb == "add-where":
                step.where.append(Condition(focus=True))
            elif (number := whole_number(rest[-1])) is not None and number < len(step.where):
                del step.where[number]
                step.focus = True
        self._number()

    def _number(self) -> None:
        def walk(group: Row) -> None:
            for number, row in enumerate(group.rows):
                row.id = f"{group.id}-{number}"
                row.number = f"{group.number}.{number + 1}" if group.number else str(number + 1)
                row.condition.id = row.id
                for part, step in (("first", row.first), ("then", row.then)):
                    step.id = f"{row.id}.{part}"
                    for at, condition in enumerate(step.where):
                        condition.id = f"{step.id}.w{at}"
                walk(row)

        self.root.id = ROOT
        walk(self.root)


#: Kinds of computed traits as the beginning of a sentence, and whether "of" a property follows.
COMPUTED_KINDS: Mapping[str, str] = {
    "event_counter": "Count of",
    "sum": "Sum of",
    "avg": "Average of",
    "min": "Minimum of",
    "max": "Maximum of",
    "most_frequent": "Most frequent",
    "first": "First",
    "last": "Last",
    "unique_list": "Unique values of",
    "unique_list_count": "Number of unique values of",
    "first_seen": "Date of the first",
    "last_seen": "Date of the last",
}


class ComputedDraft(Draft):
    """A computed trait. Its only row is the event with its conditions; the window may also be a session."""

    def __init__(
        self,
        root: Row | None = None,
        kind: str = "event_counter",
        path: str = "",
        session: Duration | None = None,
        *,
        is_session: bool = False,
    ) -> None:
        self.kind, self.property, self.is_session = kind, path, is_session
        self.session = session or Duration("30", "m")
        self.root = root or Row("event", window="ever", within=Duration("30"))
        self.places: dict[str, Row] = {}
        self._number()

    @classmethod
    def typed(cls, form: Mapping[str, str]) -> Self:
        root = Row.typed(form)
        if root.kind != "event":
            return cls()
        kind = form.get("computed", "")
        return cls(
            root,
            kind if kind in COMPUTED_KINDS else "event_counter",
            form.get("property", "").strip(),
            Duration.typed(form, f"{ROOT}.session"),
            is_session=form.get(f"{ROOT}.window") == "session",
        )

    @classmethod
    def of(cls, node: Node | Computed) -> Self:
        assert isinstance(node, Computed), "a computed trait"
        is_session = isinstance(node.window, Session)
        row = Row("event", first=Step(node.event, [Condition.of(condition) for condition in node.where]))
        row.set_window(None if isinstance(node.window, Session) else node.window)
        session = Duration.of(node.window.ms) if isinstance(node.window, Session) else None
        return cls(row, node.kind, node.property or "", session, is_session=is_session)

    def json(self) -> dict[str, object]:
        self.places = {"": self.root}
        made: dict[str, object] = {"computed": self.kind, **self.root.first.json()}
        if self.kind not in KINDS_WITHOUT_PROPERTY:
            made["property"] = self.property
        return {**made, **({"session": self.session.text} if self.is_session else self.root.window_json())}

    @property
    def is_new(self) -> bool:
        return not self.root.first.event

    @property
    def window(self) -> str:
        return "session" if self.is_session else self.root.window

    def _number(self) -> None:
        self.root.id, self.root.number = ROOT, "1"
        self.root.first.id = f"{ROOT}.first"
        for at, condition in enumerate(self.root.first.where):
            condition.id = f"{ROOT}.first.w{at}"


def _new(kind: str) -> Row:
    row = Row(kind)  # type: ignore[arg-type]
    if kind == "group":
        row.match, row.rows = "any", [_new("event")]
        return row
    row.first.focus = row.condition.focus = True
    row.focus = kind
    return row


#: Parts of a condition, as an error names them. The longest that fits is taken.
_PARTS: Mapping[str, str] = {
    "event": "the event",
    "where": "the property condition",
    "within": "the window",
    "between": "the window",
    "session": "the pause",
    "property": "the property",
    "count": "the count",
    "funnel.first.event": "the first event",
    "funnel.first.where": "the property condition of the first event",
    "funnel.first.within": "the window",
    "funnel.first.between": "the window",
    "funnel.then.event": "the second event",
    "funnel.then.where": "the property condition of the second event",
    "funnel.within": "the time in between",
    "trait": "the trait",
    "op": "the operator",
    "value": "the value",
    "audience": "the audience",
}


def error_words(draft: Draft, error: DefinitionError) -> tuple[Row, str]:
    """The row that an error is in, and what is wrong, with the part of the sentence that it is about. After `draft.json()`."""
    row, rest = draft.row_at("" if error.place == "definition" else error.place)
    part = max((known for known in _PARTS if rest.startswith(known)), key=len, default="")
    words = _PARTS.get(part, "")
    if part.endswith("where"):
        number = whole_number(rest[len(part) :].partition("[")[2].partition("]")[0]) or 0
        words += f" {number + 1}"
    if "[2]" in rest and part.endswith("where"):
        words = f"the value of {words}"
    if error.problem == "the text has 0 characters":
        return row, f"{_capital(words or 'a text')} is still empty."
    problem = f"{words}: {error.problem}" if words else error.problem
    return row, f"{_capital(problem)}. Possible: {error.allowed}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---- values


def read_scalar(typed: str) -> Scalar:
    """A number, true or false, or a text."""
    typed = typed.strip()
    if typed in {"true", "false"}:
        return typed == "true"
    if _NUMBER.fullmatch(typed):
        number: int | float = json.loads(typed)
        return number
    return read_text(typed)


def read_text(typed: str) -> str:
    typed = typed.strip()
    if len(typed) >= 2 and typed.startswith('"') and typed.endswith('"'):
        try:
            return str(json.loads(typed))
        except ValueError:
            return typed[1:-1]
    return typed


def read_items(typed: str) -> list[Scalar]:
    """Those between commas."""
    values, at = [], 0
    while at <= len(typed):
        match = _ITEM.match(typed, at)
        assert match, "it matches nothing, too"
        if match[0].strip():
            values.append(read_scalar(match[0]))
        at = match.end() + 1
    return values


def show_scalar(value: Scalar) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    return (
        value if value and read_scalar(value) == value and type(read_scalar(value)) is str else _quoted(value)
    )


def show_text(value: str) -> str:
    return value if value and read_text(value) == value else _quoted(value)


def show_items(values: tuple[Scalar, ...]) -> str:
    return ", ".join(
        _quoted(value) if isinstance(value, str) and ("," in value or '"' in value) else show_scalar(value)
        for value in values
    )


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
