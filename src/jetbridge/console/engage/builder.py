"""The builder: an audience or a computed trait as sentences, with what it would be now beside them.

The buttons of the form change it on the server: with JavaScript a part of the page is swapped, without it the page comes anew.

It offers events, properties, traits and values that the sources have really sent. Notes say which conditions nobody can meet, judged by
that: a number where texts were sent, a date that is none.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.engage import draft as drafts
from jetbridge.console.engage.draft import ComputedDraft, Condition, Draft, Step, show_scalar
from jetbridge.console.engage.page import (
    PREFIXES,
    address,
    computation_view,
    engage_view,
    find_computation,
    next_page,
    possible_destinations,
    show,
)
from jetbridge.console.engage.recipes import EXAMPLES, RECIPES
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.engage import explaining, queries
from jetbridge.engage.configuration import sources_of
from jetbridge.engage.definition import (
    DATE_OPS,
    DEFAULT_RETENTION_DAYS,
    EQUALITY_OPS,
    LIST_OPS,
    ORDER_OPS,
    RELATIVE_DATE_OPS,
    TRAIT_OPS,
    WHERE_OPS,
    DefinitionError,
    parse,
)
from jetbridge.engage.explaining import PersonExplained
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.engage.queries import Samples
from jetbridge.engage.store import QueryTimeoutError
from jetbridge.engage.wording import OPERATORS
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.integrations.base import ValueType
from jetbridge.services import computations
from jetbridge.source_schema.models import NameRow
from jetbridge.spec.times import date_ms
from jetbridge.spec.untrusted import whole_number
from jetbridge.text import quoted

_BEGINNINGS = {ComputationClass.AUDIENCE: EXAMPLES, ComputationClass.TRAIT: RECIPES}
_DRAFTS: Final[Mapping[str, type[Draft]]] = {
    ComputationClass.AUDIENCE: Draft,
    ComputationClass.TRAIT: ComputedDraft,
}
#: Previews that are computed at once: each may take a processor for some seconds.
_at_once = BoundedSemaphore(2)
#: Seconds for which one waits for another.
_WAIT = 1.0
#: Characters of a definition as JSON.
_MOST_JSON = 200_000
#: Of each list.
SHOWN = 200
#: Pages and screens as events, and the property that their name is.
_NAMED = {"page": ("Page Viewed", "page_name"), "screen": ("Screen Viewed", "screen_name")}
_TYPES = {event: (type_, name) for type_, (event, name) in _NAMED.items()}


@dataclass
class Typed:
    """The form as it is filled in, good or not."""

    computation_class: ComputationClass
    draft: Draft
    name: str = ""
    include_history: bool = True
    include_anonymous: bool = False
    chosen: Sequence[int] = ()
    person: str = ""

    @classmethod
    def of(cls, form: QueryDict, of: ComputationClass, row: Computation | None = None) -> "Typed":
        """Of something that there is, only the definition is in the form."""
        draft, person = _DRAFTS[of].typed(form), form.get("person", "").strip()[:1_000]
        if row:
            return cls(of, draft, row.name, row.include_history, row.include_anonymous, person=person)
        return cls(
            computation_class=of,
            draft=draft,
            name=form.get("name", "").strip(),
            include_history=form.get("include_history") == "yes",
            include_anonymous=form.get("include_anonymous") == "yes",
            chosen=[
                number for text in form.getlist("destinations") if (number := whole_number(text)) is not None
            ],
            person=person,
        )

    @classmethod
    def of_row(cls, row: Computation) -> "Typed":
        of = ComputationClass(row.computation_class)
        parsed = parse(of, row.definition, retention_days=row.space.retention_days)
        return cls(of, _DRAFTS[of].of(parsed), row.name, row.include_history, row.include_anonymous)

    @classmethod
    def example(cls, of: ComputationClass, name: str) -> "Typed":
        if name not in _BEGINNINGS[of]:
            return cls(of, _DRAFTS[of]())
        title, definition = _BEGINNINGS[of][name]
        parsed = parse(of, definition, retention_days=DEFAULT_RETENTION_DAYS)
        return cls(of, _DRAFTS[of].of(parsed), title)

    @property
    def is_trait(self) -> bool:
        return self.computation_class == ComputationClass.TRAIT


@dataclass(frozen=True)
class Key:
    """What the audience will be called: by destinations, and at each that is chosen: (name, property, what is in the way)."""

    key: str = ""
    problem: str = ""
    properties: Sequence[tuple[str, str, str]] = ()


@engage_view(Role.EDITOR)
def new(request: MemberRequest, space: Space, of: ComputationClass) -> HttpResponse:
    """`?example=` fills it in."""
    if request.method != "POST":
        return _page(request, space, Typed.example(of, request.GET.get("example", "")))
    typed, action = Typed.of(request.POST, of), request.POST.get("do", "")
    if action != "create":
        return _changed(request, space, typed, action)
    chosen = _destinations(space, typed.chosen)
    try:
        key = computations.key_of(typed.name)
        for row in chosen:
            seen = computations.preview_key(space.workspace, row, key, _value_type(space, typed), people=0)
            if seen.problem:
                raise ConfigurationError(seen.problem)  # noqa: TRY301 - shown like the others
        made = computations.create(
            request.actor,
            typed.computation_class,
            typed.name,
            typed.draft.json(),
            include_history=typed.include_history,
            include_anonymous=typed.include_anonymous,
        )
    except (ConfigurationError, DefinitionError) as error:
        return _refused(request, space, typed, error)
    messages.success(request, f"{made.row} was created, and is computed now.")
    return redirect(next_page(made.row, [str(row.id) for row in chosen]))


@computation_view(Role.EDITOR)
def edit(request: MemberRequest, row: Computation) -> HttpResponse:
    space = row.space
    if request.method != "POST":
        return _page(request, space, Typed.of_row(row), of=row)
    typed, action = (
        Typed.of(request.POST, ComputationClass(row.computation_class), row),
        request.POST.get("do", ""),
    )
    if action != "create":
        return _changed(request, space, typed, action, of=row)
    try:
        # What came from the same rows is the same, however it was spelled.
        is_same = typed.draft.json() == Typed.of_row(row).draft.json()
        is_changed = not is_same and computations.change(
            request.actor, row, definition=typed.draft.json(), version=_edited_version(request, row)
        )
    except (ConfigurationError, DefinitionError) as error:
        if isinstance(error, ConflictError) and _edited_version(request, row) != row.version:
            words = f"{error} Compare with it in another tab; “Save changes” now replaces it."
            return _page(request, space, typed, of=row, version=row.version, error=words, status=409)
        return _refused(request, space, typed, error, of=row)
    messages.success(request, "Saved. It is computed anew." if is_changed else "Nothing changed.")
    return redirect(address(row))


def _edited_version(request: MemberRequest, row: Computation) -> int:
    """The version of the definition that the form began with."""
    seen = whole_number(request.POST.get("version", ""))
    return row.version if seen is None else seen


@engage_view(Role.EDITOR)
@require_POST
def preview(request: MemberRequest, space: Space, of: ComputationClass) -> HttpResponse:
    """What is typed so far would be: its people, its key, what can be typed next. Changes nothing."""
    row = _row(request, space, of)
    typed = Typed.of(request.POST, of, row)
    context = {
        "typed": typed,
        **_previewed(space, typed, row),
        "key": _key(space, typed) if row is None else None,
        "offers": offers(space, typed.draft, of=row),
        "json": _text(typed.draft.json()),
        "explained": _explained(space, typed, row),
        "of": row,
        "oob": True,
        "preview_url": request.path,
    }
    return render(request, "console/engage/_preview_response.html", context)


@engage_view(Role.EDITOR)
@require_POST
def explain(request: MemberRequest, space: Space, of: ComputationClass) -> HttpResponse:
    """Whether the person would be in what is typed so far."""
    row = _row(request, space, of)
    explained = _explained(space, Typed.of(request.POST, of, row), row)
    return render(request, "console/engage/_explained.html", {"explained": explained})


# ---- the page


def _changed(
    request: MemberRequest, space: Space, typed: Typed, action: str, of: Computation | None = None
) -> HttpResponse:
    """A button has changed the form."""
    if action != "json":
        typed.draft.change(action)
        return _page(request, space, typed, of=of)
    text = request.POST.get("json", "")
    try:
        typed.draft = _draft_of_text(text, space, typed.computation_class)
    except ConfigurationError as error:
        return _page(request, space, typed, of=of, text=text, json_error=str(error), status=422)
    return _page(request, space, typed, of=of)


def _draft_of_text(text: str, space: Space, of: ComputationClass) -> Draft:
    """Raises ConfigurationError."""
    if len(text) > _MOST_JSON:
        raise ConfigurationError(f"A definition has at most {_MOST_JSON:,} characters.")
    try:
        value = json.loads(text)
        return _DRAFTS[of].of(parse(of, value, retention_days=space.retention_days))
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"This is no JSON: {error.msg}, line {error.lineno}, column {error.colno}."
        ) from None
    except DefinitionError as error:
        raise ConfigurationError(str(error)) from None
    except (ValueError, RecursionError):
        raise ConfigurationError("This is no JSON of a definition.") from None


def _refused(
    request: MemberRequest, space: Space, typed: Typed, error: Exception, of: Computation | None = None
) -> HttpResponse:
    if isinstance(error, DefinitionError):
        row, words = drafts.error_words(typed.draft, error)
        row.error = words
        return _page(request, space, typed, of=of, status=422)
    return _page(request, space, typed, of=of, error=str(error), status=422)


def _page(
    request: MemberRequest,
    space: Space,
    typed: Typed,
    *,
    of: Computation | None = None,
    version: int | None = None,
    error: str = "",
    text: str | None = None,
    json_error: str = "",
    status: int = 200,
) -> HttpResponse:
    """The preview comes by itself, because it takes a moment; without JavaScript the button that checks brings it along."""
    is_previewed = request.POST.get("do") == "check"
    context = {
        "typed": typed,
        "of": of,
        "version": version or (_edited_version(request, of) if of else None),
        "error": error,
        "json": _text(typed.draft.json()) if text is None else text,
        "json_error": json_error,
        "key": _key(space, typed) if of is None else None,
        "destinations": possible_destinations(space) if of is None else [],
        "offers": offers(space, typed.draft, of=of),
        "kinds": drafts.KINDS,
        "computed_kinds": drafts.COMPUTED_KINDS,
        "recipes": RECIPES if typed.is_trait and of is None else {},
        "prefix": PREFIXES[typed.computation_class],
        "units": drafts.UNITS,
        "where_operators": _operators(WHERE_OPS),
        "trait_operators": _operators(TRAIT_OPS),
        **(_previewed(space, typed, of) if is_previewed else {}),
        "explained": _explained(space, typed, of) if is_previewed else None,
    }
    return show(request, "console/engage/builder.html", space, context, status)


def _operators(known: frozenset[str]) -> list[tuple[str, str]]:
    return [(op, words) for op, words in OPERATORS.items() if op in known]


def _text(definition: object) -> str:
    return json.dumps(definition, indent=2, ensure_ascii=False)


# ---- what it would be


def _previewed(space: Space, typed: Typed, of: Computation | None) -> dict[str, Any]:
    """Either `preview`, or `problem` with the number of its condition, or `is_waiting` for other previews."""
    if typed.draft.is_new:
        return {"is_new": True}
    if not _at_once.acquire(timeout=_WAIT):
        return {"is_waiting": True}
    try:
        seen = explaining.preview(
            space,
            typed.computation_class,
            typed.draft.json(),
            include_history=typed.include_history,
            include_anonymous=typed.include_anonymous,
            of=of,
        )
        return {
            "preview": seen,
            "stored": None if seen.count else queries.storage(space, seconds=0.2),
            "history": queries.history(space),
        }
    except DefinitionError as error:
        row, words = drafts.error_words(typed.draft, error)
        return {"problem": words, "number": row.number}
    except ConfigurationError as error:
        return {"problem": str(error), "number": ""}
    finally:
        _at_once.release()


@dataclass(frozen=True)
class Explained:
    """`problem`: why it cannot be said."""

    person: str
    membership: PersonExplained | None = None
    problem: str = ""


def _explained(space: Space, typed: Typed, of: Computation | None) -> Explained | None:
    """None: nobody is named."""
    if not typed.person:
        return None
    try:
        membership = explaining.explain(
            space,
            typed.person,
            of=of,
            definition=typed.draft.json(),
            computation_class=typed.computation_class,
            include_history=typed.include_history,
            include_anonymous=typed.include_anonymous,
        )
    except DefinitionError:
        return Explained(typed.person, problem="The definition is not complete yet.")
    except QueryTimeoutError as error:
        return Explained(typed.person, problem=str(error))
    problem = "" if membership else "Engage knows nobody by this userId, address or anonymousId."
    return Explained(typed.person, membership, problem)


# ---- the key


def _key(space: Space, typed: Typed) -> Key:
    if not typed.name:
        return Key()
    try:
        key = computations.key_of(typed.name)
    except ConfigurationError as error:
        return Key(problem=str(error))
    properties = []
    for row in _destinations(space, typed.chosen):
        seen = computations.preview_key(
            space.workspace, row, key, _value_type(space, typed), people=0, offline=True
        )
        properties.append((row.name, seen.property, seen.problem))
    return Key(key, computations.key_problem(space, key), properties)


def _destinations(space: Space, ids: Sequence[int]) -> list[Destination]:
    return [row for row in possible_destinations(space) if row.id in ids]


def _value_type(space: Space, typed: Typed) -> ValueType | None:
    """None where it is not known, also while the definition is not complete."""
    try:
        return computations.value_type_of(
            typed.computation_class, typed.draft.json(), retention_days=space.retention_days
        )
    except DefinitionError:
        return None


def _row(request: MemberRequest, space: Space, of: ComputationClass) -> Computation | None:
    """What is edited; None if it is new."""
    text = request.POST.get("computation", "")
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        raise Http404
    return find_computation(space, of, number)


# ---- what it offers


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
    used = {step.event for row in draft.root.all_rows for step in _steps_of(row)} & set(seen)
    properties = {event: _properties_seen(sources, event) for event in used}
    of_events = queries.event_samples(space, used)
    of_traits = queries.trait_samples(space)
    named_traits = NameRow.objects.filter(source_id__in=sources, type="identify").exclude(name="")
    traits_seen = named_traits.order_by("-total").values_list("name", flat=True)[:SHOWN]
    traits = _unique([*computed, *traits_seen, *of_traits])
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


def _values(known: Samples, path: str) -> list[str]:
    return [show_scalar(value) for value in known.get(path, ())]


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
