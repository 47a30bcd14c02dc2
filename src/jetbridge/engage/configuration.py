"""What people have set Engage to, as the worker needs it: plain values, read from `state.db` every second.

A definition that cannot be read is one with an error, and no reason for the others to stop.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from jetbridge import eventlog
from jetbridge.control import directory
from jetbridge.control.models import DeletedSource, Destination, SchemaBlock, Source
from jetbridge.delivery import ledger
from jetbridge.engage import definition as language
from jetbridge.engage.definition import (
    DAY_MS,
    Between,
    Computed,
    CyclicDefinitionError,
    References,
    Within,
    computed_json,
    definition_json,
    empty_value,
    order,
    references,
)
from jetbridge.engage.models import Activation, Computation, ComputationClass, Space
from jetbridge.errors import JetbridgeError
from jetbridge.integrations import registry
from jetbridge.routing.properties import Block, Blocks

#: Kinds of computed traits whose values may have a fraction.
DECIMAL_KINDS = frozenset({"sum", "avg", "min", "max"})
#: Events are kept at least so long, whatever the definitions need.
LEAST_KEPT_MS = 90 * DAY_MS


@dataclass(frozen=True)
class Target:
    """A destination to which a definition is sent."""

    destination: int
    #: Its id: one that was ended and begun again is another.
    activation: int = 0
    adds_members: bool = False
    list_id: int | None = None
    #: Its name in the integrations object, for one that has contacts; "" for others.
    name: str = ""
    takes_track: bool = False
    #: It loads by a schedule: what waits for the next sync delays nothing.
    is_scheduled: bool = False

    @property
    def options(self) -> str:
        """With others its members are sent again; those of another activation begin anew (`is_of`)."""
        return json.dumps([self.adds_members, self.list_id, self.activation])

    def is_of(self, options: str) -> bool:
        """Whether these are options of this activation, now or earlier."""
        return bool(json.loads(options)[2:] == [self.activation])


@dataclass(frozen=True)
class Definition:
    """An audience or a computed trait."""

    key: str
    computation_id: str
    is_audience: bool
    version: int
    since: int
    include_anonymous: bool
    is_enabled: bool
    is_deleted: bool
    clears_members: bool
    targets: tuple[Target, ...]
    #: Differs when the same people may have other values.
    fingerprint: str = ""
    #: None if there is an `error`.
    parsed: language.Definition | None = None
    retention_ms: int = 0
    references: References = field(default_factory=References)
    #: The JSON of a profile without events.
    empty: str = "false"
    #: Whether its values are numbers that may have a fraction.
    is_decimal: bool = False
    #: How long it looks back at events (ms).
    window_ms: int = 0
    error: str = ""


@dataclass(frozen=True)
class Configuration:
    """Of one workspace. `definitions` come after those that they refer to."""

    space_id: str
    own_source: int
    #: Ids of the sources that are read, removed ones included.
    sources: frozenset[int]
    #: What is blocked at each source that has blocks.
    blocks: Mapping[int, Blocks]
    retention_ms: int
    #: When the history was asked for (ms); 0: never.
    history_requested_at: int
    definitions: tuple[Definition, ...]

    @property
    def kept_ms(self) -> int:
        """How long events are kept: for the longest window, at least 90 days, and never longer than the retention."""
        longest = max((row.window_ms for row in self.definitions if not row.is_deleted), default=0)
        return min(self.retention_ms, max(LEAST_KEPT_MS, longest))


class ConfigurationReader:
    """For one thread. Compiles anew only when something has changed."""

    def __init__(self, space: int) -> None:
        self._space = space
        self._rows: object = None
        self._configuration: Configuration | None = None

    def read(self) -> Configuration | None:
        """None if Engage is switched off, or gone. The same object as long as nothing has changed."""
        space = Space.objects.filter(id=self._space, enabled=True).first()
        if space is None:
            return None
        computations = list(Computation.objects.filter(space=space).order_by("id").values())
        activations = list(
            Activation.objects.filter(computation__space=space)
            .order_by("id")
            .values("id", "computation_id", "destination_id", "adds_members", "list_id")
        )
        destinations = list(
            Destination.objects.filter(workspace_id=space.workspace_id)
            .order_by("id")
            .values("id", "kind", "settings")
        )
        sources = sources_of(space)
        blocks = list(
            SchemaBlock.objects.filter(source__in=sources)
            .order_by("id")
            .values_list("source_id", "type", "event", "name")
        )
        rows = (
            Space.objects.filter(id=space.id).values().get(),
            computations,
            activations,
            destinations,
            sources,
            blocks,
        )
        if rows != self._rows or self._configuration is None:
            retention_ms = space.retention_days * DAY_MS
            by_source: dict[int, list[Block]] = {}
            for source, type_, event, name in blocks:
                by_source.setdefault(source, []).append((type_, event, name))
            requested_at = space.history_requested_at
            self._configuration = Configuration(
                space_id=space.space_id,
                own_source=space.source_id,
                sources=sources,
                blocks={source: Blocks(of_source) for source, of_source in by_source.items()},
                retention_ms=retention_ms,
                history_requested_at=_ms(requested_at) if requested_at else 0,
                definitions=_definitions(
                    computations, _targets(space.workspace_id, activations), retention_ms
                ),
            )
            self._rows = rows
        return self._configuration


def sources_of(space: Space) -> frozenset[int]:
    """Ids of those that it reads, removed ones included."""
    here = Source.objects.filter(workspace_id=space.workspace_id).exclude(id=space.source_id)
    excluded = space.excluded_sources.values_list("id", flat=True)
    gone = DeletedSource.objects.filter(workspace_id=space.workspace_id).values_list("source_id", flat=True)
    return frozenset({*here.values_list("id", flat=True), *gone} - {*excluded})


def _targets(workspace: int, activations: Iterable[Mapping[str, Any]]) -> dict[int, list[Target]]:
    refs = {ref.id: ref for ref in directory.destinations_of(workspace)}
    targets: dict[int, list[Target]] = {}
    for row in activations:
        ref = refs.get(row["destination_id"])
        kind = registry.destinations().get(ref.kind) if ref else None
        if ref is None or kind is None:
            continue
        targets.setdefault(row["computation_id"], []).append(
            Target(
                destination=ref.id,
                activation=row["id"],
                adds_members=row["adds_members"],
                list_id=row["list_id"],
                name=kind.names[0] if kind.has_contacts else "",
                takes_track="track" in kind.accepts,
                is_scheduled=kind.schedule(ref) is not None,
            )
        )
    return targets


def _definitions(
    rows: Sequence[Mapping[str, Any]], targets: Mapping[int, Sequence[Target]], retention_ms: int
) -> tuple[Definition, ...]:
    """In the order of references, after those with an error."""
    by_key = {row["key"]: row for row in rows}
    parsed: dict[str, language.Definition] = {}
    errors: dict[str, str] = {}
    for key, row in by_key.items():
        try:
            parsed[key] = language.parse(
                row["computation_class"], row["definition"], retention_days=retention_ms // DAY_MS
            )
        except JetbridgeError as error:
            errors[key] = str(error)
    computed = frozenset(key for key, definition in parsed.items() if isinstance(definition, Computed))
    # Cycles are rejected when a definition is written; one that is there all the same is an error of its members.
    ordered: list[str] | None = None
    while ordered is None:
        try:
            ordered = order(parsed)
        except CyclicDefinitionError as error:
            for key in error.keys:
                parsed.pop(key, None)
                errors[key] = str(error)
    definitions = []
    for key in (*errors, *ordered):
        row = by_key[key]
        definition = Definition(
            key=key,
            computation_id=row["computation_id"],
            is_audience=row["computation_class"] == ComputationClass.AUDIENCE,
            version=row["version"],
            since=0 if row["include_history"] else _ms(row["created_at"]),
            include_anonymous=row["include_anonymous"],
            is_enabled=row["enabled"],
            is_deleted=row["deleted_at"] is not None,
            clears_members=row["clears_members"],
            targets=tuple(targets.get(row["id"], ())),
            error=errors.get(key, ""),
        )
        definitions.append(
            definition if definition.error else _with_parsed(definition, parsed[key], computed, retention_ms)
        )
    return tuple(definitions)


def _with_parsed(
    definition: Definition, parsed: language.Definition, computed: frozenset[str], retention_ms: int
) -> Definition:
    used = references(parsed, computed=computed)
    empty = definition.empty
    if isinstance(parsed, Computed):
        spelling, empty = computed_json(parsed), empty_value(parsed)
    else:
        spelling = definition_json(parsed)
    has_retention = any(not isinstance(window, Within | Between) for window in language.windows(parsed))
    basis = [
        spelling.decode(),
        definition.since,
        definition.include_anonymous,
        sorted(used.computed),
        retention_ms if has_retention else 0,
    ]
    return replace(
        definition,
        fingerprint=hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:32],
        parsed=parsed,
        retention_ms=retention_ms,
        references=used,
        empty=empty,
        is_decimal=isinstance(parsed, Computed) and parsed.kind in DECIMAL_KINDS,
        window_ms=language.longest_window_ms(parsed, retention_ms),
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def end_activations(row: Computation) -> None:
    """A deleted one is sent nowhere any more. By `delete`, or by the worker once all that was to be cleared is in the log."""
    destinations = [activation.destination for activation in row.activations.select_related("destination")]
    with transaction.atomic():
        row.activations.all().delete()
        for destination in destinations:
            disconnect_unused(row.space, destination)


def disconnect_unused(space: Space, destination: Destination) -> None:
    """Disconnect a destination to which nothing of Engage is sent any more."""
    if not Activation.objects.filter(destination=destination, computation__space=space).exists():
        with eventlog.open(settings.CONFIG) as log:
            ledger.disconnect(space.source, destination, log)
