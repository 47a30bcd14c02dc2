"""The catalogue: what kinds of destinations there are, what each accepts, and its settings."""

import msgspec

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.refusal import Refused
from jetbridge.control.people import Role
from jetbridge.destinations import changes
from jetbridge.destinations.definition import Definition
from jetbridge.destinations.field import Field
from jetbridge.destinations.registry import DEFINITIONS


class Setting(msgspec.Struct):
    """`secret` ones are kept encrypted and never told. `choices` are the values it may have; none: any."""

    name: str
    label: str
    help: str
    required: bool
    secret: bool
    default: str
    choices: list[str]


class Kind(msgspec.Struct):
    """`names` are what it answers to in the integrations object, `accepts` the call types."""

    kind: str
    names: list[str]
    description: str
    accepts: list[str]
    settings: list[Setting]


class Catalog(msgspec.Struct):
    items: list[Kind]


class SettingsWish(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    settings: dict[str, str]


class SettingsTried(msgspec.Struct, forbid_unknown_fields=True):
    """Tried on in place of those that are stored; what is absent stays."""

    settings: dict[str, str] = {}


class Suggestion(msgspec.Struct):
    """A value that would fit; `label` says which it is."""

    field: str
    value: str
    label: str


class Confirmation(msgspec.Struct):
    """What settings mean together on the other side. `fits` null: look again, or there is nothing to look up.

    `problems` are what is wrong with single settings. `suggested` are values that would fit.
    """

    fits: bool | None
    sentence: str
    suggested: list[Suggestion]
    problems: dict[str, str]


@endpoint("GET", "catalog")
def get_catalog(caller: Caller) -> Catalog:  # noqa: ARG001 - it is the same for everybody
    """The kinds of destinations that there are, with their settings."""
    return Catalog([_kind(each) for each in DEFINITIONS.values()])


@endpoint("POST", "catalog/confirm", Role.EDITOR)
def confirm_settings(caller: Caller, body: SettingsWish) -> Confirmation:
    """What settings of a new destination would mean: which Mailjet account and list, or that they do not fit."""
    definition = DEFINITIONS.get(body.kind)
    if definition is None:
        raise Refused(422, f"There is no kind {body.kind[:40]!r}; there are {', '.join(DEFINITIONS)}.")
    return _confirmed(caller, definition, body.settings)


@endpoint("GET", "destinations/<int:destination>/confirm")
def confirm_destination(caller: Caller, destination: int) -> Confirmation:
    """What the settings of a destination mean together. Asks Mailjet."""
    row = own_destination(caller, destination)
    return _confirmed(caller, changes.definition_of(row), changes.values_of(row))


@endpoint("POST", "destinations/<int:destination>/confirm", Role.EDITOR)
def confirm_changed_settings(caller: Caller, destination: int, body: SettingsTried) -> Confirmation:
    """What the settings of a destination would mean together with others. Changes nothing."""
    row = own_destination(caller, destination)
    return _confirmed(caller, changes.definition_of(row), {**changes.values_of(row), **body.settings})


def _confirmed(caller: Caller, definition: Definition, values: dict[str, str]) -> Confirmation:
    found, problems = definition.confirm(caller.workspace.id, values), definition.problems(values)
    if found is None:
        return Confirmation(None, "", [], problems)
    return Confirmation(found.fits, found.sentence, [Suggestion(*each) for each in found.suggested], problems)


def _kind(each: Definition) -> Kind:
    settings = [_setting(field) for field in each.fields]
    return Kind(each.kind, list(each.names), each.description, sorted(each.accepts), settings)


def _setting(each: Field) -> Setting:
    return Setting(
        each.name, each.label, each.help, each.required, each.secret, each.default, list(each.choices)
    )
