"""A definition in words: “Order Completed at least 3 times within 7 days, and not (Order Refunded within 7 days)”.

Pages, API and commands show the same words. They are English, and say exactly what the definition does; names and values
stand in them as the sources have sent them.
"""

from collections.abc import Mapping

from jetbridge.engage.definition import (
    RELATIVE_DATE_OPS,
    All,
    Any,
    Audience,
    Between,
    Computed,
    Condition,
    Event,
    Funnel,
    Node,
    Not,
    Session,
    Trait,
    Within,
)
from jetbridge.text import pluralize, quoted

#: Audience key -> its name, for `{"audience": key}`. A key without a name is shown itself.
Names = Mapping[str, str]

#: What an `any` of nothing is.
NOBODY = "nobody"

_UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000))
#: Operators in words; those of traits alone come last.
OPERATORS = {
    "=": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "in": "is one of",
    "contains": "contains",
    "contains_any": "contains any of",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "exists": "exists",
    "absent": "is missing",
    "before": "is before",
    "after": "is after",
    "within_last": "is within the last",
    "within_next": "is within the next",
    "before_last": "is before the last",
    "after_next": "is after the next",
}
_KINDS = {
    "event_counter": "number of",
    "sum": "sum of",
    "avg": "average of",
    "min": "smallest",
    "max": "largest",
    "most_frequent": "most frequent",
    "first": "first",
    "last": "last",
    "unique_list": "unique values of",
    "unique_list_count": "number of unique values of",
    "first_seen": "date of the first",
    "last_seen": "date of the last",
}
#: Characters of a value; of a list, values.
_MAX_VALUE, _MAX_VALUES = 60, 5


def definition_text(definition: Node | Computed, names: Names | None = None) -> str:
    """The whole definition in one line."""
    if isinstance(definition, Computed):
        return computed_text(definition)
    return _node(definition, names or {}, is_inner=False)


def leaf_text(leaf: Event | Funnel | Trait | Audience, names: Names) -> str:
    match leaf:
        case Event():
            return f"{_event(leaf)}{_count(leaf)}{_window(leaf.window)}"
        case Funnel():
            did = "then" if leaf.did else "then not"
            within = duration_text(leaf.within_ms)
            return (
                f"{_event(leaf.first)}{_window(leaf.first.window)}, {did} {_event(leaf.then)} within {within}"
            )
        case Trait(condition):
            return condition_text(condition)
        case Audience(key):
            return f"is in the audience {names.get(key, key)}"


def computed_text(computed: Computed) -> str:
    kind = _KINDS[computed.kind]
    what = (
        f"{kind} {computed.event}"
        if computed.property is None
        else f"{kind} {computed.property} of {computed.event}"
    )
    window = computed.window
    if isinstance(window, Session):
        return f"{what}{_where(computed.where)} in the present session (a pause of {duration_text(window.ms)} ends it)"
    return f"{what}{_where(computed.where)}{_window(window)}"


def condition_text(condition: Condition) -> str:
    op, value = OPERATORS[condition.op], condition.value
    if value is None:
        return f"{condition.path} {op}"
    if condition.op in RELATIVE_DATE_OPS and isinstance(value, int):
        return f"{condition.path} {op} {duration_text(value)}"
    if not isinstance(value, tuple):
        return f"{condition.path} {op} {quoted(value, _MAX_VALUE)}"
    shown = ", ".join(quoted(item, _MAX_VALUE) for item in value[:_MAX_VALUES])
    more = f" and {len(value) - _MAX_VALUES} more" if len(value) > _MAX_VALUES else ""
    return f"{condition.path} {op} {shown}{more}"


def duration_text(ms: int) -> str:
    """“7 days”, “90 minutes”: in the largest unit that leaves no rest."""
    unit, size = next(((unit, size) for unit, size in _UNITS if ms % size == 0), ("millisecond", 1))
    return pluralize(ms // size, unit)


def _node(node: Node, names: Names, *, is_inner: bool) -> str:
    match node:
        case All(nodes) | Any(nodes):
            if not nodes:
                return NOBODY
            word = " and " if isinstance(node, All) else " or "
            text = word.join(_node(child, names, is_inner=len(nodes) > 1) for child in nodes)
            return f"({text})" if is_inner and len(nodes) > 1 else text
        case Not(child):
            return f"not ({_node(child, names, is_inner=False)})"
        case _:
            return leaf_text(node, names)


def _event(event: Event) -> str:
    return f"{event.name}{_where(event.where)}"


def _where(where: tuple[Condition, ...]) -> str:
    return f" where {' and '.join(condition_text(condition) for condition in where)}" if where else ""


def _count(event: Event) -> str:
    if (event.comparator, event.count) == (">=", 1):
        return " at least once"
    if event.count == 0:  # `>= 0` is no count
        return " never"
    times = "once" if event.count == 1 else f"{event.count:,} times"
    return {">=": f" at least {times}", "<=": f" at most {times}", "=": f" exactly {times}"}[event.comparator]


def _window(window: Within | Between | None) -> str:
    match window:
        case Within(ms):
            return f" within {duration_text(ms)}"
        case Between(from_ms, to_ms):
            return f" between {duration_text(from_ms)} and {duration_text(to_ms)} ago"
    return ""
