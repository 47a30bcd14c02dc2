"""What the builder offers to choose from: events, properties, traits and values that the sources have really sent.

And notes on conditions that can hold for nobody, judged by that: a number where texts were sent, a date that is none.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jetbridge.console.engage import values
from jetbridge.console.engage.draft import Condition, Draft, Step
from jetbridge.engage import queries
from jetbridge.engage.configuration import sources_of
from jetbridge.engage.definition import DATE_OPS, EQUALITY_OPS, LIST_OPS, ORDER_OPS, RELATIVE_DATE_OPS
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.engage.queries import Samples
from jetbridge.source_schema.models import NameRow
from jetbridge.spec.times import date_ms
from jetbridge.text import quoted

#: Of each list.
SHOWN = 200
#: Pages and screens as events, and the property that their name is.
_NAMED = {"page": ("Page Viewed", "page_name"), "screen": ("Screen Viewed", "screen_name")}
_TYPES = {event: (type_, name) for type_, (event, name) in _NAMED.items()}


@dataclass(frozen=True)
class Offers:
    """`audiences`: (key, name). `lists`: by the id of a datalist. `notes`: (number of the condition, what is odd)."""

    events: Sequence[str] = ()
    traits: Sequence[str] = ()
    audiences: Sequence[tuple[str, str]] = ()
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[tuple[str, str]] = ()


def offers(space: Space, draft: Draft, *, of: Computation | None = None) -> Offers:
    """For a definition; `of` is the audience that it belongs to, which is not offered itself."""
    sources = sources_of(space)
    present = [row for row in space.present_computations() if of is None or row.id != of.id]
    computed = [row.key for row in present if row.computation_class == ComputationClass.TRAIT]
    seen = _events_seen(sources)
    used = {step.event for step in _steps(draft)} & set(seen)
    properties = {event: _properties_seen(sources, event) for event in used}
    of_events = queries.event_samples(space, used)
    of_traits = queries.trait_samples(space)
    traits = _unique([*computed, *_traits_seen(sources), *of_traits])
    lists: dict[str, Sequence[str]] = {}
    notes: list[tuple[str, str]] = []
    for row in draft.root.all_rows:
        for step in _steps_of(row):
            known = of_events.get(step.event, {})
            lists[f"offer-{step.id}"] = _unique([*properties.get(step.event, ()), *known])[:SHOWN]
            if step.event and step.event not in seen:
                notes.append((row.number, f"no source has sent {step.event} so far"))
            for condition in step.where:
                lists[f"offer-{condition.id}"] = _values(known, condition.path)
                notes += [(row.number, note) for note in _notes(condition, known)]
        if row.kind == "trait" and row.condition.path not in computed:
            lists[f"offer-{row.condition.id}"] = _values(of_traits, row.condition.path)
            notes += [(row.number, note) for note in _notes(row.condition, of_traits)]
    named = {row.audience: row.audience for row in draft.root.all_rows if row.audience}
    named |= {row.key: row.name for row in present if row.computation_class == ComputationClass.AUDIENCE}
    audiences = sorted(named.items(), key=lambda audience: audience[1].casefold())
    return Offers(seen[:SHOWN], traits[:SHOWN], audiences, lists, notes)


def _steps(draft: Draft) -> Iterator[Step]:
    for row in draft.root.all_rows:
        yield from _steps_of(row)


def _steps_of(row: Any) -> Sequence[Step]:
    return {"event": [row.first], "funnel": [row.first, row.then]}.get(row.kind, [])


def _events_seen(sources: Collection[int]) -> list[str]:
    """Names as Engage knows them, those sent most often first."""
    rows = NameRow.objects.filter(source_id__in=sources, name="", type__in=["track", *_NAMED])
    names = rows.order_by("-total", "event").values_list("type", "event")[: 2 * SHOWN]
    return _unique(_NAMED[type_][0] if type_ in _NAMED else event for type_, event in names)


def _properties_seen(sources: Collection[int], event: str) -> list[str]:
    rows = NameRow.objects.filter(source_id__in=sources).exclude(name="")
    type_, name = _TYPES.get(event, ("", ""))
    rows = rows.filter(type=type_) if type_ else rows.filter(type="track", event=event)
    return _unique([name, *rows.order_by("-total").values_list("name", flat=True)[:SHOWN]])


def _traits_seen(sources: Collection[int]) -> list[str]:
    rows = NameRow.objects.filter(source_id__in=sources, type="identify").exclude(name="")
    return _unique(rows.order_by("-total").values_list("name", flat=True)[:SHOWN])


def _values(known: Samples, path: str) -> list[str]:
    return [values.shown(value) for value in known.get(path, ())]


def _notes(condition: Condition, known: Samples) -> Iterator[str]:
    """What is odd about a condition, judged by a sample of values."""
    path, op, sampled = condition.path, condition.op, known.get(condition.path, [])
    if not path or not known:
        return
    if not sampled:
        yield f"{path} was not seen lately"
        return
    example = quoted(sampled[0])
    kinds = {_kind(value) for value in sampled}
    if op in DATE_OPS | RELATIVE_DATE_OPS:
        if not any(isinstance(value, str) and date_ms(value) is not None for value in sampled):
            yield (
                f"{path} holds no dates, but values such as {example}: a date is written like 2026-03-01T00:00:00Z, "
                "with a time and a zone"
            )
    elif op in ORDER_OPS and "number" not in kinds:
        yield f"{path} holds no numbers, but values such as {example}, and only numbers are compared so"
    elif op in EQUALITY_OPS | LIST_OPS and condition.value:
        typed = condition.json_value()
        for value in typed if isinstance(typed, list) else [typed]:
            if _kind(value) not in kinds:
                hint = (
                    " Quotation marks make it a text." if _kind(value) != "text" and "text" in kinds else ""
                )
                yield f"{quoted(value)} is a {_kind(value)}, and {path} holds values such as {example}.{hint}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "number" if isinstance(value, int | float) else "text"


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))
