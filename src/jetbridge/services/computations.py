"""What people change in Engage: the switch, audiences and computed traits, and where these are sent.

Each function is done whole, with its entry in the audit log, or not at all, and raises ConfigurationError (or one of its
kind) with a message for whoever asked. The worker reads the result within a second.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from jetbridge.control import directory, names
from jetbridge.control.audit import Actor
from jetbridge.control.directory import DestinationRef
from jetbridge.control.factories import new_source
from jetbridge.control.models import Destination, SourceKind, Workspace
from jetbridge.delivery import ledger
from jetbridge.engage import configuration, memberships, queries, store
from jetbridge.engage.definition import (
    DEFAULT_RETENTION_DAYS,
    Computed,
    CyclicDefinitionError,
    Definition,
    DefinitionError,
    canonical,
    check_audiences,
    dependents,
    order,
    parse,
    references,
)
from jetbridge.engage.models import (
    VALUE_TYPES,
    Activation,
    Computation,
    ComputationClass,
    DefinitionVersion,
    Space,
)
from jetbridge.engage.wording import definition_text
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.identity.identifiers import EMAIL
from jetbridge.integrations import registry
from jetbridge.integrations.base import ValueType
from jetbridge.services.log import event_log
from jetbridge.spec.names import snakecase
from jetbridge.text import pluralize

MIN_RETENTION_DAYS: Final = queries.LEAST_DAYS_KEPT
MAX_RETENTION_DAYS: Final = queries.MAX_RETENTION_DAYS
#: Audiences and computed traits of one workspace: each is evaluated for everybody it touches.
MAX_COMPUTATIONS: Final = 500
#: Members that are looked up at a destination before an activation, and how many of them together.
SAMPLED: Final = 2_000
_CHUNK: Final = 200
#: Characters of a key, of which the column is as long.
_MAX_KEY: Final = 200

#: What becomes of the property with a deletion: it stays, or those who were sent true are sent false (null for a computed trait).
Members = Literal["keep", "false"]

#: What else stands beside the key in the traits or properties of what is sent (see `outbox`).
_FIELDS_OF_CALLS: Final[Mapping[str, str]] = {
    "email": "the address",
    "audience_key": "the key of the audience",
    "trait_key": "the key of the computed trait",
}


@dataclass(frozen=True)
class Created:
    """`switched_on`: Engage was off, and is on now."""

    row: Computation
    switched_on: bool


# ---- the switch and its settings


def switch(actor: Actor, *, enabled: bool) -> Space | None:
    """On or off; None if it was never on, and is not to be. What is stored stays when it is switched off."""
    with transaction.atomic():
        space = queries.space_of(actor.workspace)
        if space is None and enabled:
            # What is acknowledged from now on is read. Its source is connected to nothing: activations connect it.
            source = new_source(actor.workspace, SourceKind.ENGAGE, "Engage")
            space = Space.objects.create(workspace=actor.workspace, source=source)
            with event_log() as log:
                ledger.begin(store.reader(actor.workspace.id), log.counts())
            actor.audit("engage.enabled", actor.workspace)
        elif space and space.enabled != enabled:
            space.enabled = space.source.enabled = enabled
            space.save(update_fields=["enabled"])
            space.source.save(update_fields=["enabled"])
            actor.audit("engage.enabled" if enabled else "engage.disabled", actor.workspace)
    return space


def configure(
    actor: Actor,
    *,
    enabled: bool | None = None,
    retention_days: int | None = None,
    excluded_sources: Collection[int] | None = None,
    loads_history: bool = False,
) -> None:
    """What is None stays. All of it, or nothing. Settings of what was never on are refused, unless they are the defaults."""
    with transaction.atomic():
        space = queries.space_of(actor.workspace) if enabled is None else switch(actor, enabled=enabled)
        if space is None:
            if retention_days not in {None, DEFAULT_RETENTION_DAYS} or excluded_sources or loads_history:
                raise ConflictError(f"Engage was never on in {actor.workspace}: switch it on first.")
            return
        if retention_days is not None:
            set_retention(actor, space, retention_days)
        if excluded_sources is not None:
            exclude_sources(actor, space, excluded_sources)
        if loads_history:
            load_history(actor, space)


def set_retention(actor: Actor, space: Space, days: int) -> bool:
    """Keep events for at most so many days; False if it is so already. No window in use may be longer.

    What looks back over the whole retention is computed anew.
    """
    if not MIN_RETENTION_DAYS <= days <= MAX_RETENTION_DAYS:
        raise ConfigurationError(
            f"Events are kept for {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS:,} days, not {days:,}."
        )
    with transaction.atomic():
        space.refresh_from_db()
        if days == space.retention_days:
            return False
        problems = []
        for row in space.present_computations():
            try:
                parse(row.computation_class, row.definition, retention_days=days)
            except DefinitionError as error:
                problems.append(f"{row.name} ({error.place}: {error.problem})")
        if problems:
            raise ConflictError(
                f"Events cannot be kept for {pluralize(days, 'day')} only, because these look back further: "
                f"{'; '.join(problems)}. Change or delete them first."
            )
        before, space.retention_days = space.retention_days, days
        space.save(update_fields=["retention_days"])
        actor.audit("engage.retention-changed", actor.workspace, {"before": before, "after": days})
    return True


def exclude_sources(actor: Actor, space: Space, ids: Collection[int]) -> bool:
    """Do not read these sources from now on, and read all others; False if it is so already."""
    rows = list(actor.workspace.sources.filter(id__in=ids).exclude(kind=SourceKind.ENGAGE).order_by("name"))
    if gone := set(ids) - {row.id for row in rows}:
        raise ConfigurationError(
            f"Engage reads no source {min(gone)} in {actor.workspace}. Nothing was changed."
        )
    with transaction.atomic():
        before = list(space.excluded_sources.order_by("name"))
        if before == rows:
            return False
        space.excluded_sources.set(rows)
        actor.audit(
            "engage.sources-changed",
            actor.workspace,
            {"not_read": [", ".join(map(str, before)), ", ".join(map(str, rows))]},
        )
    return True


def load_history(actor: Actor, space: Space) -> None:
    """Read what the event log has from before Engage was switched on."""
    if not space.enabled:
        raise ConflictError(f"Engage is off in {actor.workspace}: switch it on first.")
    if space.history_requested_at is not None:
        raise ConflictError("The history was asked for already: it is read once.")
    with transaction.atomic():
        space.history_requested_at = timezone.now()
        space.save(update_fields=["history_requested_at"])
        actor.audit("engage.history-loaded", actor.workspace)


def remove_space(workspace: Workspace) -> None:
    """With the workspace, in its transaction. The worker deletes the store's file if it has it open."""
    Space.objects.filter(workspace=workspace).delete()
    path = store.path(settings.CONFIG.home, workspace.id)

    def delete_files() -> None:
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink(missing_ok=True)

    transaction.on_commit(delete_files)


# ---- audiences and computed traits


def key_of(name: str) -> str:
    """The key that a new audience or computed trait of this name gets: snake_case. Raises ConfigurationError."""
    key = snakecase(name)
    if not any(letter.isalpha() for letter in key):
        raise ConfigurationError(
            f"{name[:60]!r} has no letter from a to z, of which the key is made: choose another name."
        )
    if len(key) > _MAX_KEY:
        raise ConfigurationError(f"The key of this name has {len(key)} characters; {_MAX_KEY} are possible.")
    return key


def key_problem(space: Space | None, key: str) -> str:
    """Why the key cannot be that of a new one here; "" if it can."""
    row = space.computations.filter(key=key).first() if space else None
    if row is None:
        return ""
    noun = _noun(row)
    if row.deleted_at is None:
        return f"The {noun} {row.name} has the key {key}: choose another name."
    return (
        f"The {noun} {row.name}, which was deleted, had the key {key}. Contacts may still have its property, so "
        "the key is never used again: choose another name."
    )


def create(
    actor: Actor,
    computation_class: ComputationClass,
    name: str,
    definition: object,
    *,
    include_history: bool = True,
    include_anonymous: bool = False,
    destinations: Iterable[Destination] = (),
) -> Created:
    """A new one, sent to `destinations` (see `activate`). Switches Engage on where it is off. `definition`: decoded JSON."""
    name = names.checked(_a(computation_class), name)
    key = key_of(name)
    space, chosen = queries.space_of(actor.workspace), list(destinations)
    retention_days = space.retention_days if space else DEFAULT_RETENTION_DAYS
    parsed = parse(computation_class, definition, retention_days=retention_days)
    for destination in chosen:
        _check_destination(actor.workspace, destination, key, _value_type(parsed))
    with transaction.atomic():
        was_on = space is not None and space.enabled
        space = switch(actor, enabled=True)
        assert space, "it is on"
        rows = space.present_computations()
        if problem := key_problem(space, key):
            raise ConflictError(problem)
        if len(rows) >= MAX_COMPUTATIONS:
            raise ConflictError(
                f"There are {MAX_COMPUTATIONS} audiences and computed traits, as many as can be."
            )
        _check_name(rows, name)
        _check_references(space, rows, key, name, parsed)
        _check_enabled(rows, name, parsed)
        # A computed trait hides a trait of its key: definitions that read that trait would silently mean something else.
        definitions = queries.parsed(rows, retention_days=space.retention_days)
        readers = [row.name for row in rows if key in references(definitions[row.key]).traits]
        if readers and isinstance(parsed, Computed):
            raise ConflictError(
                f"{', '.join(readers)} reads the trait {key} of people, and would read this one instead: choose another name."
            )
        row = Computation.objects.create(
            space=space,
            computation_class=computation_class,
            name=name,
            key=key,
            definition=canonical(parsed),
            include_history=include_history,
            include_anonymous=include_anonymous,
        )
        _keep_version(actor, row)
        shown = {other.key: other.name for other in rows}
        actor.audit(f"{_thing(row)}.added", row, {"key": key, "definition": definition_text(parsed, shown)})
        for destination in chosen:
            _activate(actor, row, destination)
    return Created(row, not was_on)


def change(
    actor: Actor,
    row: Computation,
    *,
    name: str | None = None,
    definition: object = None,
    enabled: bool | None = None,
    version: int | None = None,
) -> bool:
    """What is None stays; False if nothing is different. The key never changes. A changed definition is computed anew, and
    the former membership stays until that is done. `version`: the one that is changed; raises ConflictError if there is a newer one.
    """
    if definition is not None:
        _check_value_type(row, definition)
    with transaction.atomic():
        space = _current(row)
        if version not in {None, row.version}:
            raise ConflictError(
                f"The definition of {row.name} was changed meanwhile: it has version {row.version} now. Nothing was saved."
            )
        changes: dict[str, Any] = {}
        if name is not None and (checked := names.checked(_a(row.computation_class), name)) != row.name:
            _check_name(space.present_computations(), checked, row)
            changes["name"] = [row.name, checked]
            row.name = checked
        if definition is not None:
            changes |= _redefine(space, row, definition)
        if changes:
            row.save(update_fields=["name", "definition", "version"])
            if "definition" in changes:
                _keep_version(actor, row)
            actor.audit(f"{_thing(row)}.changed", row, changes)
        if enabled is not None and enabled != row.enabled:
            _set_enabled(actor, space, row, enabled=enabled)
            return True
    return bool(changes)


def _check_name(rows: Iterable[Computation], name: str, row: Computation | None = None) -> None:
    """Two of one name could not be told apart. Audiences and computed traits share their names as they share their keys."""
    for other in rows:
        if other != row and other.name.casefold() == name.casefold():
            raise ConflictError(f"There is {_a(other.computation_class)} {other.name}: choose another name.")


def _used_by(rows: Iterable[Computation], row: Computation, space: Space) -> str:
    """The names of those of the rows whose definition refers to it; "" if none does."""
    definitions = queries.parsed({*rows, row}, retention_days=space.retention_days)
    keys = dependents(row.key, definitions)
    return ", ".join(other.name for other in rows if other.key in keys)


def _set_enabled(actor: Actor, space: Space, row: Computation, *, enabled: bool) -> None:
    """What is enabled refers to nothing that is disabled, whose members are those of long ago."""
    rows = space.present_computations()
    if enabled:
        _check_enabled(rows, row.name, _parsed(row, space))
    elif used_by := _used_by([other for other in rows if other.enabled], row, space):
        raise ConflictError(
            f"{row.name} is in the definition of {used_by}, which would go on with its members of today: change or disable that first."
        )
    row.enabled = enabled
    row.save(update_fields=["enabled"])
    actor.audit(f"{_thing(row)}.{'enabled' if enabled else 'disabled'}", row)


def _check_enabled(rows: Iterable[Computation], name: str, definition: Definition) -> None:
    """Refuse references to what is disabled."""
    used = {
        ComputationClass.AUDIENCE: references(definition).audiences,
        ComputationClass.TRAIT: references(definition).traits,
    }
    disabled = [
        row.name
        for row in rows
        if not row.enabled and row.key in used[ComputationClass(row.computation_class)]
    ]
    if disabled:
        raise ConflictError(f"{name} refers to {', '.join(disabled)}, which is disabled: enable that first.")


def _check_value_type(row: Computation, definition: object) -> None:
    """The destinations take the values of the new definition, too. They are asked outside of the transaction."""
    space = row.space
    parsed = parse(row.computation_class, definition, retention_days=space.retention_days)
    value_type = _value_type(parsed)
    if value_type != row.value_type:
        for activation in row.activations.select_related("destination"):
            _check_destination(space.workspace, activation.destination, row.key, value_type)


def _redefine(space: Space, row: Computation, definition: object) -> dict[str, Any]:
    parsed = parse(row.computation_class, definition, retention_days=space.retention_days)
    plain, before = canonical(parsed), _parsed(row, space)
    if plain == row.definition:
        return {}
    rows = space.present_computations()
    _check_references(space, rows, row.key, row.name, parsed)
    if row.enabled:
        _check_enabled(rows, row.name, parsed)
    row.definition = plain
    row.version += 1
    shown = {other.key: other.name for other in rows}
    return {
        "definition": [definition_text(before, shown), definition_text(parsed, shown)],
        "version": row.version,
    }


def delete(actor: Actor, row: Computation, *, members: Members = "keep") -> None:
    """For good, if no other definition refers to it. `members`: whether the property stays, or those who were sent true are
    sent false first. The key is never used again.
    """
    with transaction.atomic():
        space = _current(row)
        if used_by := _used_by(space.present_computations(), row, space):
            raise ConflictError(f"{row.name} is in the definition of {used_by}: change or delete that first.")
        row.deleted_at, row.clears_members = timezone.now(), members == "false"
        row.save(update_fields=["deleted_at", "clears_members"])
        actor.audit(f"{_thing(row)}.removed", row, {"key": row.key, "members": members})
        if not row.clears_members:
            configuration.end_activations(row)


# ---- destinations


def adds_members_by_default(destination: Destination) -> bool:
    """Whether members who are no contacts yet are added unless somebody chooses: where nothing but Engage sends people."""
    if not registry.destination(destination.kind).has_contacts:
        return False
    return not destination.sources.exclude(kind=SourceKind.ENGAGE).exists()


@dataclass(frozen=True)
class ActivationPreview:
    """What sending a computation to a destination would mean: `property` is what its key is called there, `value_type` that of
    its values in the words of JSON Schema (None: not known beforehand), `calls` about how many calls to the other side a
    first sync of the `people` makes (None: not known). `problem` says why it cannot be sent; "" if it can.

    `without_contact` of the people have an address and are no contacts there, `can_join` are those whom adding members puts on
    its list, `without_address` have no address; None: not known. Of more than SAMPLED people they are estimates.
    """

    property: str
    value_type: str | None
    people: int
    calls: int | None
    has_contacts: bool
    adds_members: bool
    problem: str
    without_contact: int | None = None
    can_join: int | None = None
    without_address: int | None = None


def preview_activation(row: Computation, destination: Destination) -> ActivationPreview:
    """May ask the other side for seconds."""
    people = queries.computation(row).size
    value_type = row.value_type
    preview = preview_key(row.space.workspace, destination, row.key, value_type, people=people)
    ref, integration = _ref(row.space.workspace, destination), registry.destination(destination.kind)
    contact_queries = integration.contact_queries(ref) if integration.has_contacts else None
    if contact_queries is None:
        return preview
    members = memberships.sample(row, SAMPLED)
    emails = [{value for type_, value in member.identifiers if type_ == EMAIL} for member in members]
    contacts: set[str] = set()
    joining: set[str] = set()
    for chunk in range(0, len(emails), _CHUNK):
        known = contact_queries.memberships(set().union(*emails[chunk : chunk + _CHUNK]))
        contacts |= known.contacts
        joining |= known.can_join
    without_contact = sum(bool(addresses) and contacts.isdisjoint(addresses) for addresses in emails)
    can_join = sum(not joining.isdisjoint(addresses) for addresses in emails)
    share = people / len(members) if members else 1.0
    without_address = round(share * sum(not addresses for addresses in emails))
    return replace(
        preview,
        calls=integration.engage_first_sync_calls(ref, people - without_address),
        without_contact=round(without_contact * share),
        can_join=round(can_join * share),
        without_address=without_address,
    )


def preview_key(
    workspace: Workspace,
    destination: Destination,
    key: str,
    value_type: ValueType | None,
    *,
    people: int,
    offline: bool = False,
) -> ActivationPreview:
    """The same before there is a computation: of so many people. `offline`: the other side is not asked. Raises
    ConfigurationError for a destination of others.
    """
    ref, integration = _ref(workspace, destination), registry.destination(destination.kind)
    problem = ""
    try:
        _check_destination(workspace, destination, key, value_type, offline=offline)
    except ConfigurationError as error:
        problem = str(error)
    return ActivationPreview(
        property=queries.property_of(ref, key),
        value_type=value_type,
        people=people,
        calls=integration.engage_first_sync_calls(ref, people),
        has_contacts=integration.has_contacts,
        adds_members=adds_members_by_default(destination),
        problem=problem,
    )


def value_type_of(
    computation_class: ComputationClass, definition: object, *, retention_days: int
) -> ValueType | None:
    """The type of the values that a definition (decoded JSON) gives; None if it is not known beforehand. Raises DefinitionError."""
    return _value_type(parse(computation_class, definition, retention_days=retention_days))


def activate(
    actor: Actor,
    row: Computation,
    destination: Destination,
    *,
    adds_members: bool | None = None,
    contacts_list: bool | None = None,
) -> Activation:
    """Send it to a destination from now on, beginning with a first sync; or change how it is sent there.

    `adds_members`: whether members who are no contacts there become contacts; None: as it is, or the default.
    `contacts_list`: whether a contacts list follows the members, which is made in their name (of an audience, where the
    destination has lists); None: as it is. May ask the other side for seconds, and raises DeliveryError.
    """
    _current(row)
    ref = _ref(actor.workspace, destination)
    activation = row.activations.filter(destination=destination).first()
    if activation is None:
        _check_destination(row.space.workspace, destination, row.key, row.value_type)
    if adds_members and not registry.destination(destination.kind).has_contacts:
        raise ConfigurationError(f"{destination} has no contacts to which members could be added.")
    list_id = activation.list_id if activation else None
    if contacts_list and list_id is None:
        if row.computation_class != ComputationClass.AUDIENCE:
            raise ConfigurationError(f"{row.name} is a computed trait: contacts lists follow audiences.")
        list_id = registry.destination(ref.kind).create_engage_list(ref, row.name)
        if list_id is None:
            raise ConfigurationError(f"{ref.name} has no contacts lists.")
    elif contacts_list is False:
        list_id = None
    return _activate(actor, row, destination, adds_members=adds_members, list_id=list_id)


def _activate(
    actor: Actor,
    row: Computation,
    destination: Destination,
    *,
    adds_members: bool | None = None,
    list_id: int | None = None,
) -> Activation:
    with event_log() as log, transaction.atomic():
        activation = row.activations.filter(destination=destination).first()
        if activation is None:
            if adds_members is None:
                adds_members = adds_members_by_default(destination)
            activation = row.activations.create(
                destination=destination, adds_members=adds_members, list_id=list_id
            )
            ledger.connect(row.space.source, destination, log)
            actor.audit(
                f"{_thing(row)}.activated",
                row,
                {"destination": destination.name, "adds_members": adds_members, "list": list_id},
            )
            return activation
        adds_members = activation.adds_members if adds_members is None else adds_members
        before = {"adds_members": activation.adds_members, "list": activation.list_id}
        after = {"adds_members": adds_members, "list": list_id}
        if after != before:
            activation.adds_members, activation.list_id = adds_members, list_id
            activation.save(update_fields=["adds_members", "list_id"])
            changes = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
            actor.audit(
                f"{_thing(row)}.activation-changed", row, {"destination": destination.name, **changes}
            )
        return activation


def deactivate(actor: Actor, row: Computation, destination: Destination) -> bool:
    """Send it there no more; False if it was not. What was sent stays as it is there."""
    with transaction.atomic():
        removed, _ = row.activations.filter(destination=destination).delete()
        if removed:
            configuration.disconnect_unused(row.space, destination)
            actor.audit(f"{_thing(row)}.deactivated", row, {"destination": destination.name})
    return bool(removed)


def _check_destination(
    workspace: Workspace,
    destination: Destination,
    key: str,
    value_type: ValueType | None,
    *,
    offline: bool = False,
) -> None:
    """Refuse a key that means something else there. Raises ConfigurationError."""
    ref, integration = _ref(workspace, destination), registry.destination(destination.kind)
    if not integration.accepts & {"identify", "track"}:
        raise ConfigurationError(
            f"{destination} takes neither identify nor track calls, and Engage sends no others."
        )
    problem = None
    # Two keys may have one property there: at Mailjet `30_day_active` and `p_30_day_active`.
    property_ = queries.property_of(ref, key)
    used = Q(deleted_at__isnull=False) | Q(activations__isnull=False)
    for row in Computation.objects.filter(used, space__workspace=workspace).exclude(key=key).distinct():
        if queries.property_of(ref, row.key) == property_:
            problem = f"The property {property_} is that of the {_noun(row)} {row.name}. Choose another name."
    problem = problem or integration.engage_key_problems(ref, {key: value_type}, offline=offline).get(key)
    if not problem and key in _FIELDS_OF_CALLS:
        problem = f"Engage's calls carry {_FIELDS_OF_CALLS[key]} as {key}. Choose another name."
    if problem:
        raise ConflictError(f"{key} cannot be sent to {destination}: {problem}")


def _ref(workspace: Workspace, destination: Destination) -> DestinationRef:
    ref = directory.destination(destination.id)
    if ref is None or ref.workspace != workspace.id:
        raise ConfigurationError(f"There is no destination {destination} in {workspace}.")
    return ref


# ---- people


def note_export(actor: Actor, row: Computation, form: str) -> None:
    """Somebody takes all members away as a file."""
    actor.audit(f"{_thing(row)}.exported", row, {"format": form, "members": queries.computation(row).size})


# ---- what several need


def _current(row: Computation) -> Space:
    """Read the row again; its space as it is now. Raises ConflictError if it was deleted meanwhile."""
    row.refresh_from_db()
    if row.deleted_at is not None:
        raise ConflictError(f"{row.name} was deleted.")
    return row.space


def _parsed(row: Computation, space: Space) -> Definition:
    return parse(row.computation_class, row.definition, retention_days=space.retention_days)


def _check_references(
    space: Space, rows: Iterable[Computation], key: str, name: str, definition: Definition
) -> None:
    """Refuse references to what is not there, and cycles, with the names of what they lead through."""
    definitions = queries.parsed(rows, retention_days=space.retention_days)
    shown = {row.key: row.name for row in rows} | {key: name}
    audiences = {row.key for row in rows if row.computation_class == ComputationClass.AUDIENCE}
    if not isinstance(definition, Computed):
        audiences.add(key)
    check_audiences(definition, audiences)
    try:
        order({**definitions, key: definition})
    except CyclicDefinitionError as error:
        way = " → ".join(shown[step] for step in error.keys)
        raise ConflictError(f"Audiences would refer to themselves: {way}. Nothing was changed.") from error


def _value_type(definition: Definition) -> ValueType | None:
    return VALUE_TYPES[definition.kind] if isinstance(definition, Computed) else ValueType.BOOLEAN


def _keep_version(actor: Actor, row: Computation) -> None:
    DefinitionVersion.objects.create(
        computation=row, version=row.version, definition=row.definition, written_by=actor.name[:200]
    )


def _thing(row: Computation) -> str:
    """The first part of actions in the audit log."""
    return "audience" if row.computation_class == ComputationClass.AUDIENCE else "computed-trait"


def _noun(row: Computation) -> str:
    return ComputationClass(row.computation_class).label.lower()


def _a(computation_class: str) -> str:
    return "an audience" if computation_class == ComputationClass.AUDIENCE else "a computed trait"
