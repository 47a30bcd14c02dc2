r"""Destination filters: what a person does not want at one destination, whole messages or single properties.

Stored as JSON text, a list of filters. Each has an FQL expression, and what is done with messages of which it is true:

    [{"name": "No staff", "if": "match(traits.email, \"*@example.com\") or traits.staff = true", "action": {"type": "DROP"}},
     {"name": "No addresses", "if": "all", "action": {"type": "DROP_PROPERTIES", "fields": {"traits": ["address"]}}}]

Filters act in Segment's order, whatever theirs is: DROP, ONLY_SEND, SAMPLE, DROP_PROPERTIES, ALLOW_PROPERTIES. All expressions see
the message as it came.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from jetbridge.routing import properties
from jetbridge.routing.fql.compiler import Predicate, compile_expression, parse
from jetbridge.routing.fql.nodes import FQLEvaluationError, FQLSyntaxError, path_getter, read_path, split_path
from jetbridge.routing.route import DESTINATION_FILTER_ERROR, FILTERED_BY_DESTINATION_FILTER, Decision
from jetbridge.spec.message import Message
from jetbridge.spec.untrusted import JSON_ERRORS

#: Limits of one destination. Segment allows 10 filters, with names of 64 characters.
MOST_FILTERS, NAME_CHARACTERS = 20, 64
#: Limits of one filter that is about properties.
MOST_OBJECTS, MOST_PROPERTIES, PATH_CHARACTERS = 50, 500, 1_000

#: A filter may do anything but this: keep away that somebody asks to be forgotten, or who it is.
_NEVER_FILTERED = "delete"

_SAMPLE_RANGE = 2**64

_Name = Annotated[str, Meta(min_length=1, max_length=PATH_CHARACTERS)]
_Fields = Annotated[
    dict[_Name, Annotated[list[_Name], Meta(max_length=MOST_PROPERTIES)]], Meta(max_length=MOST_OBJECTS)
]


class InvalidFilters(ValueError):
    """`str()` names the filter and what is accepted. If it is an expression that cannot be read, `syntax` has the place in
    `expression`.
    """

    def __init__(self, detail: str, expression: str = "", syntax: FQLSyntaxError | None = None) -> None:
        super().__init__(detail)
        self.expression, self.syntax = expression, syntax


class _Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """What is done with the messages of which a filter's expression is true."""


class Drop(_Action, frozen=True, tag="DROP"):
    """They do not go there."""


class OnlySend(_Action, frozen=True, tag="ONLY_SEND"):
    """They alone go there, and of several such filters what all of them let through."""


class Sample(_Action, frozen=True, tag="SAMPLE"):
    """A share of them goes there: of the messages, or of the values of the field at `path`."""

    percent: Annotated[float, Meta(ge=0, le=1)]
    path: Annotated[str, Meta(max_length=PATH_CHARACTERS)] = ""


class DropProperties(_Action, frozen=True, tag="DROP_PROPERTIES"):
    """They go there without these properties."""

    fields: _Fields


class AllowProperties(_Action, frozen=True, tag="ALLOW_PROPERTIES"):
    """Of each of these objects, only these properties go there."""

    fields: _Fields


Action = Drop | OnlySend | Sample | DropProperties | AllowProperties

#: In the order in which they act.
ACTIONS: tuple[type[Action], ...] = (Drop, OnlySend, Sample, DropProperties, AllowProperties)


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to messages of which the FQL expression `condition` ("if" in JSON) is true."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS)]
    condition: str = msgspec.field(name="if")
    action: Action = msgspec.field(default_factory=Drop)
    enabled: bool = True


class _Exclusion(NamedTuple):
    """A filter that keeps messages away: which ones, and the reason for a person."""

    name: str
    applies: Predicate
    why: str


class _Change(NamedTuple):
    """A filter that changes messages: which ones, and how."""

    name: str
    applies: Predicate
    change: Callable[[Message], Message]


class Filters:
    """Those that are enabled, compiled."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        """Raises InvalidFilters."""
        self._exclusions: list[_Exclusion] = []
        self._changes: list[_Change] = []
        for row in sorted(filters, key=lambda row: ACTIONS.index(type(row.action))):
            if row.enabled:
                self._add(row)

    def __bool__(self) -> bool:
        return bool(self._exclusions or self._changes)

    def apply(self, message: Message) -> Decision:
        """A message for which an expression cannot be evaluated is kept away: better than let through."""
        if message.type == _NEVER_FILTERED:
            return Decision(None, message)
        rule: _Exclusion | _Change | None = None
        try:
            for rule in self._exclusions:
                if rule.applies(message):
                    return Decision(
                        FILTERED_BY_DESTINATION_FILTER, message, f"The filter {rule.name} {rule.why}."
                    )
            result = message
            for rule in self._changes:
                if rule.applies(message):
                    result = rule.change(result)
        except FQLEvaluationError as error:
            assert rule
            detail = f"The filter {rule.name} cannot be applied: {error}"
            return Decision(DESTINATION_FILTER_ERROR, message, detail)
        return Decision(None, result)

    def _add(self, row: Filter) -> None:
        applies = _predicate(row)
        match row.action:
            case Drop():
                self._exclusions.append(_Exclusion(row.name, applies, "drops it"))
            case OnlySend():
                is_other = lambda message: not applies(message)  # noqa: E731
                self._exclusions.append(_Exclusion(row.name, is_other, "sends only others"))
            case Sample(percent, path):
                is_sampled = sampler(percent, path)
                is_excluded = lambda message: applies(message) and not is_sampled(message)  # noqa: E731
                self._exclusions.append(_Exclusion(row.name, is_excluded, "leaves it out of the sample"))
            case DropProperties(fields):
                self._changes.append(_Change(row.name, applies, partial(properties.drop, fields=fields)))
            case AllowProperties(fields):
                self._changes.append(_Change(row.name, applies, partial(properties.allow, fields=fields)))


def sampler(share: float, path: str = "") -> Predicate:
    """Whether a message is in the sample: a share of all messages, or all messages of a share of the people.

    `share` is from 0 to 1, `path` one that is well-formed. As in Segment, the field's value decides by its MD5, so everybody with the same
    value stays in or out together, and who is in at 10 % is in at 20 %. What has no such field, or where none is named, is sampled by
    messageId: Segment draws at random there, and then a replay or a trace would not agree with what was delivered.
    """
    get = path_getter(split_path(path)) if path else path_getter(("messageId",))
    bound = int(share * _SAMPLE_RANGE)

    def is_in(message: Message) -> bool:
        value = get(message)
        by = msgspec.json.encode(message.message_id if value is None else value, order="deterministic")
        return int.from_bytes(hashlib.md5(by, usedforsecurity=False).digest()[:8], "big") < bound

    return is_in


def _predicate(row: Filter) -> Predicate:
    try:
        return compile_expression(parse(row.condition))
    except FQLSyntaxError as error:
        raise InvalidFilters(f"Filter {row.name}: {error}", row.condition, error) from error


def parse_filters(text: str) -> list[Filter]:
    """Raises InvalidFilters."""
    if not text.strip():
        return []
    try:
        filters: list[Filter] = _decode(text)
    except (UnicodeError, *JSON_ERRORS) as error:
        raise InvalidFilters(f"The filters are not read: {error}.") from error
    seen: set[str] = set()
    for row in filters:
        if row.name in seen:
            raise InvalidFilters(f"Two filters are named {row.name}. Give each a name of its own.")
        seen.add(row.name)
        check(row)
    return filters


def check(row: Filter) -> None:
    """Raises InvalidFilters if it cannot be applied."""
    _predicate(row)
    problem = ""
    match row.action:
        case Sample(_, path) if path:
            try:
                read_path(path)
            except ValueError as error:
                problem = f"{path[:40]}: {error}"
        case DropProperties(fields) | AllowProperties(fields):
            problem = properties.problem(fields)
    if problem:
        raise InvalidFilters(f"Filter {row.name}: {problem}")


def dump(filters: Sequence[Filter]) -> str:
    """As text that `parse_filters` reads; no filter is no text."""
    return msgspec.json.format(msgspec.json.encode(filters), indent=2).decode() if filters else ""


_decode = msgspec.json.Decoder(Annotated[list[Filter], Meta(max_length=MOST_FILTERS)]).decode
