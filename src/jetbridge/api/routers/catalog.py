"""The catalogue: what kinds of destinations there are, what each accepts, and its settings."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from jetbridge.api.routers.destinations import Kind, Settings, SourceIds
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, example
from jetbridge.integrations import base, registry, setting
from jetbridge.services import destination_settings

router = ApiRouter(tags=["Destinations"])


class SettingOut(OutSchema):
    """`secret` ones are kept encrypted and never shown. `choices` are the values that a choice may have."""

    name: Annotated[str, example("listId")]
    type: Literal["text", "integer", "boolean", "choice", "secret", "object"]
    label: Annotated[str, example("List ID")]
    help: Annotated[str, example("The contacts list, by its id at Mailjet.")]
    required: bool
    secret: bool
    default: Annotated[Any, example("")]
    choices: Annotated[list[str], example([])]


class KindOut(OutSchema):
    """`names` are what it answers to in the integrations object, `accepts` the call types."""

    kind: Kind
    title: Annotated[str, example("Mailjet")]
    group: base.Group
    names: Annotated[list[str], example(["Mailjet"])]
    description: Annotated[str, example("Keeps the contacts of a list equal to what Segment knows.")]
    accepts: Annotated[list[str], example(["delete", "identify"])]
    settings: list[SettingOut]


class CatalogOut(OutSchema):
    items: list[KindOut]


class SettingsIn(InSchema):
    kind: Kind
    settings: Settings


class SettingsPatch(InSchema):
    """Checked in place of those that are stored; what is absent stays."""

    settings: Settings = {}


class ConnectionIn(InSchema):
    """`sources` are ids: of a database user who may create no schemas, theirs have to be there."""

    kind: Kind
    settings: Settings = {}
    sources: SourceIds = []


class ConnectionStepOut(OutSchema):
    """One step of a test. `message` says what happened and what to do; `command` is to be run for that at the other side.
    `skipped`: a step before it has failed.
    """

    step: Annotated[str, example("login")]
    title: Annotated[str, example("Log in")]
    state: Annotated[Literal["passed", "failed", "skipped"], example("passed")]
    message: Annotated[str, example("The user ann may use the database shop.")]
    command: Annotated[str, example("")]


class ConnectionOut(OutSchema):
    """`passed` is null for a kind whose connection cannot be tested. `problems` are what is wrong with single settings: then
    nothing was tested.
    """

    passed: bool | None
    steps: list[ConnectionStepOut]
    problems: Annotated[dict[str, str], example({})]


class SuggestionOut(OutSchema):
    """A value that would fit; `label` says which it is."""

    field: Annotated[str, example("listId")]
    value: Annotated[str, example("10001")]
    label: Annotated[str, example("Customers")]


class ConfirmationOut(OutSchema):
    """What settings mean together on the other side. `fits` null: look again, or there is nothing to look up.

    `problems` are what is wrong with single settings. `suggested` are values that would fit.
    """

    fits: bool | None
    message: Annotated[str, example("The list Customers (10001) of the Mailjet account Newsletter.")]
    suggested: list[SuggestionOut]
    problems: Annotated[dict[str, str], example({})]


@router.get("/catalog", response=CatalogOut)
def get_catalog(request: ApiRequest) -> CatalogOut:  # noqa: ARG001 - it is the same for everybody
    """The kinds of destinations that there are, with their settings."""
    return CatalogOut(items=[_kind(integration) for integration in registry.destinations().values()])


@router.post("/catalog/confirm", auth=editor, response=ConfirmationOut)
def confirm_settings(request: ApiRequest, body: SettingsIn) -> ConfirmationOut:
    """What settings of a new destination would mean: which Mailjet account and list, or that they do not fit."""
    return _confirmation(request.auth, registry.destination(body.kind), body.settings)


@router.get("/destinations/{int:destination}/confirm", response=ConfirmationOut)
def confirm_destination(request: ApiRequest, destination: Id) -> ConfirmationOut:
    """What the settings of a destination mean together. Asks Mailjet."""
    row = request.auth.destination(destination)
    return _confirmation(
        request.auth, destination_settings.integration_of(row), destination_settings.values_of(row)
    )


@router.post("/destinations/{int:destination}/confirm", auth=editor, response=ConfirmationOut)
def confirm_changed_settings(
    request: ApiRequest,
    destination: Id,
    body: SettingsPatch = SettingsPatch(),  # noqa: B008 - ninja's way to say that a body is optional
) -> ConfirmationOut:
    """What the settings of a destination would mean together with others. Changes nothing."""
    row = request.auth.destination(destination)
    integration, stored = destination_settings.integration_of(row), destination_settings.values_of(row)
    values = {**stored, **destination_settings.restored(integration, stored, body.settings)}
    return _confirmation(request.auth, integration, values)


@router.post("/catalog/check", auth=editor, response=ConnectionOut)
def check_connection(request: ApiRequest, body: ConnectionIn) -> ConnectionOut:
    """Really connect with the settings of a new destination, step by step. Leaves nothing behind at the other side."""
    integration = registry.destination(body.kind)
    return _connection(request.auth, integration, body.settings, sources=body.sources)


@router.post("/destinations/{int:destination}/check", auth=editor, response=ConnectionOut)
def check_changed_connection(
    request: ApiRequest,
    destination: Id,
    body: SettingsPatch = SettingsPatch(),  # noqa: B008 - ninja's way to say that a body is optional
) -> ConnectionOut:
    """Really connect with the settings of a destination, together with others. Changes nothing."""
    row = request.auth.destination(destination)
    integration, stored = destination_settings.integration_of(row), destination_settings.values_of(row)
    values = {**stored, **destination_settings.restored(integration, stored, body.settings)}
    sources = [source.id for source in row.sources.all()]
    return _connection(request.auth, integration, values, row.id, sources)


def _connection(
    caller: Caller,
    integration: base.Destination,
    values: dict[str, Any],
    destination: int = 0,
    sources: Sequence[int] = (),
) -> ConnectionOut:
    problems = integration.problems(values)
    if problems or not integration.checks_connection:
        return ConnectionOut(passed=False if problems else None, steps=[], problems=problems)
    steps = destination_settings.check_connection(
        integration,
        destination_settings.connection_draft(integration, caller.workspace.id, values, destination, sources),
    )
    return ConnectionOut(
        passed=not destination_settings.has_failed(steps),
        steps=[
            ConnectionStepOut(
                step=step.name,
                title=step.title,
                state=step.state,  # type: ignore[arg-type] # all have been tried
                message=step.message,
                command=step.command,
            )
            for step in steps
        ],
        problems={},
    )


def _confirmation(caller: Caller, integration: base.Destination, values: dict[str, Any]) -> ConfirmationOut:
    meaning = integration.settings_meaning(caller.workspace.id, values)
    problems = integration.problems(values)
    if meaning is None:
        return ConfirmationOut(fits=None, message="", suggested=[], problems=problems)
    return ConfirmationOut(
        fits=meaning.fits,
        message=meaning.message,
        suggested=[
            SuggestionOut(field=suggestion.setting, value=suggestion.value, label=suggestion.label)
            for suggestion in meaning.suggestions
        ],
        problems=problems,
    )


def _kind(integration: base.Destination) -> KindOut:
    return KindOut(
        kind=integration.kind,
        title=integration.title,
        group=integration.group,
        names=list(integration.names),
        description=integration.description,
        accepts=sorted(integration.accepts),
        settings=[
            SettingOut(
                name=row.name,
                type=row.type,  # type: ignore[arg-type]
                label=row.label,
                help=row.whole_help,
                required=row.required,
                secret=row.is_secret,
                default=row.default,
                choices=list(row.choices) if isinstance(row, setting.Choice) else [],
            )
            for row in integration.settings
        ],
    )
