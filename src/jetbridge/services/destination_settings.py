"""Changing a destination that is there (its settings, its name, whether it is enabled), and testing its connection.

Commands and pages come here, so that what one accepts the other does. A running worker reads the configuration
every second and starts the destination anew when it has changed.
"""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from django.db import transaction

from jetbridge.control import directory, names
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.control.sources import reject_engage
from jetbridge.delivery import ledger
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.eventlog.base import EventLog
from jetbridge.integrations import base, registry
from jetbridge.integrations.connection import ConnectionDraft, StepResult, limited
from jetbridge.integrations.setting import is_empty

#: Audiences and computed traits that are named before a destination is removed.
_SHOWN = 10


class Change(NamedTuple):
    """Secrets are masked. `notes` are what a person should know about the new value."""

    what: str
    before: str
    after: str
    notes: tuple[str, ...] = ()


State = Literal["passed", "failed", "running", "waiting", "skipped"]


class ConnectionStep(NamedTuple):
    """A step as it is shown. `waiting`: not tried yet; `skipped`: one before it has failed."""

    name: str
    title: str
    state: State
    message: str = ""
    command: str = ""


def integration_of(row: Destination) -> base.Destination:
    """Raises ConfigurationError."""
    if integration := registry.destinations().get(row.kind):
        return integration
    raise ConfigurationError(f"{row.name} is of the kind {row.kind}, which this Jetbridge does not know.")


def values_of(row: Destination) -> dict[str, Any]:
    """Settings and secrets, of the types that their declarations have; only those that are set."""
    stored = {**row.settings, **json.loads(row.secrets)}
    integration = registry.destinations().get(row.kind)
    return integration.parsed(stored) if integration else stored


def notes_of(row: Destination) -> list[str]:
    """What a person should know about the settings that are set."""
    integration, values = integration_of(row), values_of(row)
    notes = [note for name in values for note in integration.notes(row.workspace_id, name, values)]
    return list(dict.fromkeys(notes))


def removal_note(row: Destination) -> str:
    """What ends and what stays at the other side when the destination is removed; "" if there is nothing to say."""
    ref, integration = directory.destination(row.id), registry.destinations().get(row.kind)
    notes = [integration.removal_note(ref)] if ref and integration else []
    activations = row.engage_activations.filter(computation__deleted_at=None).order_by("computation__name")
    if names_sent := list(activations.values_list("computation__name", flat=True)):
        shown = ", ".join(names_sent[:_SHOWN])
        more = f" and {len(names_sent) - _SHOWN} more" if len(names_sent) > _SHOWN else ""
        notes.append(
            f"With it ends what is sent here of Engage: {shown}{more}. Contacts keep the properties."
        )
    return " ".join(filter(None, notes))


def shown_values(row: Destination) -> dict[str, Any]:
    """Every setting as a screen or the API may show it: defaults included, secrets masked."""
    values = values_of(row)
    return {
        setting.name: setting.shown(values.get(setting.name, setting.default))
        for setting in integration_of(row).settings
    }


def store(row: Destination, integration: base.Destination, values: Mapping[str, Any]) -> None:
    """Put typed values into the row. They are not checked here."""
    row.settings, secrets = split(integration, values)
    row.secrets = json.dumps(secrets)


def split(integration: base.Destination, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings that may be read, and secrets."""
    secret = {setting.name for setting in integration.settings if setting.is_secret}
    return (
        {name: value for name, value in values.items() if name not in secret},
        {name: value for name, value in values.items() if name in secret},
    )


@transaction.atomic
def change(
    destination: int,
    values: Mapping[str, Any],
    *,
    enabled: bool | None = None,
    name: str | None = None,
) -> list[Change]:
    """Make it so; an empty value goes back to the default, a masked one that comes back as it was shown stays. Values are
    texts or typed. Returns what is different now.

    Raises ConfigurationError, having changed nothing.
    """
    row = Destination.objects.select_related("workspace").get(id=destination)
    before = directory.destination(row.id)
    changes = _set_values(row, integration_of(row), values)
    if changes and before:
        after = dataclasses.replace(before, settings=row.settings, secrets=json.loads(row.secrets))
        _reject_engage_keys(row, before, after, offline=True)
    if name is not None and name != row.name:
        changes.append(_rename(row, name))
    if enabled is not None and enabled != row.enabled:
        changes.append(Change("enabled", _yes_no(row.enabled), _yes_no(enabled)))
        row.enabled = enabled
    if changes:
        row.save()
    return changes


@transaction.atomic
def choose_sources(row: Destination, ids: Collection[int], event_log: EventLog) -> list[Change]:
    """Let it get the messages of these sources from now on, and of no others. Raises ConfigurationError.

    Engage's source is none of them: it stays connected while audiences are sent here.
    """
    before = row.chosen_sources
    after = sources_of(row.workspace, ids)
    for source in after:
        ledger.connect(source, row, event_log)
    for source in before:
        if source not in after:
            ledger.disconnect(source, row, event_log)
    if before == after:
        return []
    return [Change("sources", ", ".join(map(str, before)), ", ".join(map(str, after)))]


def sources_of(workspace: Workspace, ids: Collection[int]) -> list[Source]:
    """Those of the workspace with these ids, by name. Raises ConfigurationError if one is not there, or is Engage's."""
    sources = list(workspace.sources.filter(id__in=ids).order_by("name"))
    if gone := set(ids) - {row.id for row in sources}:
        raise ConfigurationError(f"There is no source {min(gone)} in {workspace}. Nothing was changed.")
    for row in sources:
        reject_engage(row, "Activate an audience or computed trait at the destination. Nothing was changed.")
    return sources


def check(integration: base.Destination, values: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    """Refuse what is wrong with the changed ones of these values. Raises ConfigurationError."""
    for name, problem in integration.problems({**values, **changed}).items():
        if name in changed:
            raise ConfigurationError(f"{name}: {problem} Nothing was changed.")


def tried_on(ref: DestinationRef, values: Mapping[str, Any]) -> DestinationRef:
    """The destination with these settings in place of those that are stored. Raises ConfigurationError."""
    integration = registry.destination(ref.kind)
    stored = {**ref.settings, **ref.secrets}
    values = restored(integration, stored, values)
    check(integration, stored, values)
    settings, secrets = split(integration, integration.parsed({**stored, **values}))
    return dataclasses.replace(ref, settings=settings, secrets=secrets)


def check_at_the_other_side(
    workspace: int,
    integration: base.Destination,
    values: Mapping[str, Any],
    changed: Mapping[str, Any],
    *,
    destination: int = 0,
    sources: Collection[int] = (),
) -> None:
    """Refuse changed settings that lead nowhere there: a contacts list that does not exist, a database that cannot be written.
    May block. `destination` is the one that is there; the connection of a new one is not checked here.

    What cannot be looked up now is not refused, but for a connection. Raises ConfigurationError; Backpressure where enough
    connections are checked already.
    """
    changed = restored(integration, values, changed)
    if integration.problems({**values, **changed}):
        return
    before, after = integration.parsed(values), integration.parsed({**values, **changed})
    if integration.checks_settings and after != before:
        check = integration.check_settings(workspace, after)
        if check and check.fits is False:
            raise ConfigurationError(f"{check.message} Nothing was changed.")
    if destination and needs_connection_check(integration, before, after):
        of = connection_draft(integration, workspace, after, destination, list(sources))
        require_connection(integration, of, "Nothing was changed.")


def check_engage_properties(row: Destination, values: Mapping[str, Any]) -> None:
    """Refuse other keys if what is sent here of Engage has a property of another type behind them. May block; what cannot be
    looked up now is not refused. Raises ConfigurationError.
    """
    before = directory.destination(row.id)
    after = tried_on(before, values) if before else None
    if before and after and after.secrets != before.secrets:
        _reject_engage_keys(row, before, after, offline=False)


def restored(
    integration: base.Destination, stored: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The values with stored secrets in the place of masks that came back as they were shown."""
    known = {setting.name: setting for setting in integration.settings}
    return {
        name: known[name].restored(value, stored.get(name)) if name in known else value
        for name, value in values.items()
    }


def _set_values(row: Destination, integration: base.Destination, values: Mapping[str, Any]) -> list[Change]:
    before = values_of(row)
    values = restored(integration, before, values)
    check(integration, before, values)
    known = {setting.name: setting for setting in integration.settings}
    after = {**before, **{name: known[name].parse(value) for name, value in values.items()}}
    store(row, integration, {name: value for name, value in after.items() if not is_empty(value)})
    changes: list[Change] = []
    for name in values:
        setting, old, new = known[name], before.get(name), after[name]
        was, now = (setting.default if is_empty(value) else value for value in (old, new))
        if was != now:
            before_text, after_text = (setting.text(setting.shown(value)) for value in (was, now))
            notes = (*integration.notes(row.workspace_id, name, after), *setting.change_notes)
            known_notes = {note for change in changes for note in change.notes}
            notes = tuple(note for note in notes if note not in known_notes)
            changes.append(Change(name, before_text, after_text, notes))
    return changes


def _reject_engage_keys(
    row: Destination, before: DestinationRef, after: DestinationRef, *, offline: bool
) -> None:
    """Refuse settings that give the key of an audience or computed trait that is sent here a meaning of their own. A key that had
    one already stops no other change. Raises ConfigurationError.
    """
    activations = row.engage_activations.filter(computation__deleted_at=None).select_related("computation")
    sent = {activation.computation.key: activation.computation for activation in activations}
    if not sent:
        return
    integration, keys = (
        integration_of(row),
        {key: computation.value_type for key, computation in sent.items()},
    )
    problems = integration.engage_key_problems(after, keys, offline=offline)
    known = integration.engage_key_problems(before, keys, offline=offline) if problems else {}
    for key in problems.keys() - known.keys():
        computation = sent[key]
        raise ConfigurationError(
            f"{computation.get_computation_class_display()} {computation.name} is sent here with the key {key}. "
            f"{problems[key]} Nothing was changed."
        )


def _rename(row: Destination, name: str) -> Change:
    name = names.checked("a destination", name)
    if row.workspace.destinations.filter(name=name).exclude(id=row.id).exists():
        raise ConflictError(f"Another destination is named {name}. Nothing was changed.")
    before, row.name = row.name, name
    return Change("name", before, name)


def _yes_no(value: bool) -> str:  # noqa: FBT001 - it is what is shown
    return "yes" if value else "no"


def connection_draft(
    integration: base.Destination,
    workspace: int,
    values: Mapping[str, Any],
    destination: int = 0,
    sources: Sequence[int] = (),
) -> ConnectionDraft:
    """`values` may be texts; what has the wrong type counts as not set."""
    defaults = {setting.name: setting.default for setting in integration.settings}
    return ConnectionDraft(workspace, {**defaults, **integration.parsed(values)}, destination, sources)


def needs_connection_check(
    integration: base.Destination, before: Mapping[str, Any], after: Mapping[str, Any]
) -> bool:
    """Whether the connection is another one afterwards: the settings without a group are those of the connection."""
    names = [setting.name for setting in integration.settings if not setting.group]
    return integration.checks_connection and any(before.get(name) != after.get(name) for name in names)


def check_connection(
    integration: base.Destination, of: ConnectionDraft, upto: str | None = None
) -> list[ConnectionStep]:
    """Test all steps, or those up to the one named: then the next one is `running`, for who asks for that.

    Stops at the first that fails. Raises Backpressure where enough are tested already.
    """
    results: dict[str, StepResult] = {}
    titles = {step.name: step.title for step in integration.connection_steps(of.values)}
    if upto != "":
        with limited():
            results = {result.step: result for result in _results(integration, of, upto)}
    is_over = any(result.state == "failed" for result in results.values())
    shown: list[ConnectionStep] = []
    for name, title in titles.items():
        if result := results.get(name):
            shown.append(ConnectionStep(name, title, result.state, result.message, result.command))
        elif is_over:
            shown.append(ConnectionStep(name, title, "skipped"))
        else:
            is_next = not shown or shown[-1].state == "passed"
            shown.append(ConnectionStep(name, title, "running" if is_next else "waiting"))
    return shown


def _results(integration: base.Destination, of: ConnectionDraft, upto: str | None) -> Iterator[StepResult]:
    test = integration.check_connection(of)
    try:
        for result in test:
            yield result
            if result.step == upto:
                return
    finally:
        if hasattr(test, "close"):
            test.close()


def require_connection(
    integration: base.Destination, of: ConnectionDraft, otherwise: str = "Nothing was added."
) -> list[ConnectionStep]:
    """All steps, if they pass. Raises ConfigurationError with what to do about the one that does not, or Backpressure."""
    steps = check_connection(integration, of) if integration.checks_connection else []
    for step in steps:
        if step.state == "failed":
            command = f" Run there: {step.command}" if step.command else ""
            raise ConfigurationError(f"{step.title}: {step.message}{command} {otherwise}")
    return steps


def has_failed(steps: Sequence[ConnectionStep]) -> bool:
    return any(step.state == "failed" for step in steps)
