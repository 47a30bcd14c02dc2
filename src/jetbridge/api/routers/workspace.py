"""The workspace of the token: its status, what is left to set up, its name and time zone, another one, its end."""

from typing import Annotated, Any, Literal, cast

from django.db import transaction
from pydantic import Field

from jetbridge.api.routers.syncs import SyncOut, sync_out
from jetbridge.api.routing import ApiRequest, ApiRouter, editor, owner
from jetbridge.api.schemas import Id, InSchema, Name, OutSchema, RoleName, Timestamp, example
from jetbridge.control import processes
from jetbridge.control.directory import destinations_of
from jetbridge.control.models import Workspace
from jetbridge.control.people import Role
from jetbridge.delivery import report
from jetbridge.delivery.report import DestinationReport
from jetbridge.engage import definition, queries
from jetbridge.integrations import registry
from jetbridge.services import api_tokens, computations, workspaces
from jetbridge.services.log import event_log
from jetbridge.services.queries import health
from jetbridge.services.queries.health import Health
from jetbridge.services.queries.setup_steps import steps_of

router = ApiRouter(tags=["Workspace"])

StateName = Literal["running", "stalled", "paused", "disabled"]
HealthName = Literal["ok", "warn", "fail"]
WorkspaceName = Annotated[Name, example("Shop")]
RetentionDays = Annotated[
    int, Field(ge=computations.MIN_RETENTION_DAYS, le=computations.MAX_RETENTION_DAYS, examples=[1_095])
]
ExcludedSources = Annotated[list[Id], Field(max_length=1_000, examples=[[]])]
TimeZone = Annotated[str, Field(max_length=64, examples=["Europe/Paris"])]


class PauseOut(OutSchema):
    """Why a destination is paused. It keeps its place and drops nothing."""

    code: Annotated[str, example("INVALID_AUTHENTICATION")]
    reason: Annotated[str, example("Mailjet rejects the API key and secret key.")]


class DestinationFiguresOut(OutSchema):
    """received = delivered + filtered + failed + pending, and pending = unread + in_flight + awaiting_retry.

    `stalled`: it should run, and something stops it: see the lights. `lag` are messages in the event log that it has not
    read; `oldest_job_seconds` is the age of the oldest of the `open_jobs` at Mailjet.

    `reasons` counts by outcome and reason. `last_error` is why it waits and tries again; mostly null. `remarks` are
    messages about what arrived only in part. `sync` is null for one that is disabled.
    """

    id: Id
    name: Annotated[str, example("Mailjet")]
    kind: Annotated[str, example("mailjet")]
    state: StateName
    health: HealthName
    lag: int
    oldest_pending_seconds: float
    open_jobs: int
    oldest_job_seconds: float
    pause: PauseOut | None
    last_error: Annotated[str | None, example(None)]
    received: Annotated[int, example(120)]
    delivered: Annotated[int, example(118)]
    filtered: Annotated[int, example(1)]
    failed: Annotated[int, example(1)]
    pending: int
    unread: int
    in_flight: int
    awaiting_retry: int
    replayed: int
    reasons: Annotated[dict[str, dict[str, int]], example({"failed": {"INVALID_EMAIL": 1}})]
    balanced: bool
    remarks: Annotated[list[str], example([])]
    sync: SyncOut


class LightOut(OutSchema):
    """Something that stops or delays deliveries, and what to do. `thing` is such as worker, source:2, destination:3."""

    code: Annotated[str, example("NO_WORKER")]
    state: HealthName
    thing: Annotated[str, example("worker")]
    message: Annotated[str, example("No worker runs: nothing is delivered.")]
    fix: Annotated[str, example("Start `jetbridge serve`, or `jetbridge worker`.")]
    since: Timestamp | None


class SourceFiguresOut(OutSchema):
    """`incomplete` of the messages came with values that could not be read, and were accepted without them.
    `repeated_email_events` became no message: Mailjet had sent them before. `failed_email_events` failed, but for those that a retry has
    made a message. Once all are read, email_events = messages + repeated_email_events + failed_email_events.
    """

    id: Id
    name: Annotated[str, example("Website")]
    kind: Annotated[str, example("http")]
    messages: Annotated[int, example(120)]
    failed_on_ingest: int
    email_events: int
    repeated_email_events: int
    failed_email_events: int
    incomplete: int


class StatusOut(OutSchema):
    """`role` is what the token may do. Without a worker that runs nothing is delivered. `health` is that of the worst
    light. `engage`: audiences and computed traits are computed.
    """

    id: Id
    name: WorkspaceName
    time_zone: TimeZone
    engage: bool
    engage_retention_days: RetentionDays
    engage_excluded_sources: ExcludedSources
    role: RoleName
    worker_runs: bool
    health: HealthName
    lights: list[LightOut]
    balanced: bool
    destinations: list[DestinationFiguresOut]
    sources: list[SourceFiguresOut]


class ChecklistStepOut(OutSchema):
    """`problem` is what is in the way; "" if nothing is."""

    title: Annotated[str, example("Connect Mailjet")]
    what: Annotated[str, example("Add a Mailjet account by its key pair.")]
    done: bool
    problem: Annotated[str, example("")]


class ChecklistOut(OutSchema):
    """What a workspace needs until a contact arrives. Each step looks by itself whether it is done."""

    steps: list[ChecklistStepOut]


class WorkspaceIn(InSchema):
    name: WorkspaceName


class WorkspacePatch(InSchema):
    """What is absent stays. `time_zone` is an IANA name; schedules of destinations are on its clock.

    `engage` switches audiences and computed traits on or off; what is stored stays. Events are kept for the longest window of
    any definition, at least 90 days, and at most `engage_retention_days`. Engage reads every source but
    `engage_excluded_sources`. `engage_load_history`: read, once, what the event log has from before Engage was switched on.
    """

    name: WorkspaceName | None = None
    time_zone: TimeZone | None = None
    engage: Annotated[bool | None, Field(examples=[True])] = None
    engage_retention_days: RetentionDays | None = None
    engage_excluded_sources: ExcludedSources | None = None
    engage_load_history: Annotated[Literal[True] | None, example(None)] = None


class WorkspaceOut(OutSchema):
    id: Id
    name: WorkspaceName
    time_zone: TimeZone
    engage: bool
    engage_retention_days: RetentionDays
    engage_excluded_sources: ExcludedSources


class EngageOut(OutSchema):
    """`bytes` is the size of the workspace's own store. It holds events for `days_kept` days, with the definitions that there are;
    `people` and `events` are estimates where counting takes too long (`is_estimate`). `oldest_event_at`: null without any.

    `history_requested_at`: when somebody asked for what the event log has from before Engage was switched on.
    """

    enabled: bool
    retention_days: RetentionDays
    days_kept: Annotated[int, example(90)]
    excluded_sources: ExcludedSources
    history_requested_at: Timestamp | None
    bytes: Annotated[int, example(1_048_576)]
    people: Annotated[int, example(1200)]
    events: Annotated[int, example(35000)]
    is_estimate: bool
    oldest_event_at: Timestamp | None


class NewWorkspaceOut(OutSchema):
    """`token` belongs to the new workspace, has the role owner, and is shown only here."""

    id: Id
    name: WorkspaceName
    token: Annotated[str, example("jbt_…")]


@router.get("/workspace", response=StatusOut)
def get_status(request: ApiRequest) -> StatusOut:
    """The workspace of the token: its sources and destinations with their figures."""
    caller = request.auth
    kinds = registry.destinations()
    refs = {ref.id: ref for ref in destinations_of(caller.workspace.id) if ref.kind in kinds}
    remarks = {id_: list(kinds[ref.kind].warnings(ref)) for id_, ref in refs.items()}
    own_sources = set(caller.workspace.sources.values_list("id", flat=True))
    with event_log() as log:
        reports = report.report(log.counts)
        destinations = [row for row in reports if row.id in refs]
        now = health.read(log, reports)
        sources = [row for row in report.sources(log.counts()) if row.id in own_sources]
    lights = now.within(caller.workspace.id, list(refs), own_sources)
    return StatusOut(
        id=caller.workspace.id,
        name=caller.workspace.name,
        time_zone=caller.workspace.time_zone,
        **_engage(caller.workspace),
        role=caller.role,
        worker_runs=processes.worker_runs(),
        health=health.worst(lights),
        lights=[
            LightOut(
                code=light.code,
                state=light.state,
                thing=light.thing,
                message=light.message,
                fix=light.fix,
                since=light.since,
            )
            for light in lights
        ],
        balanced=all(row.balanced for row in destinations),
        destinations=[_destination_figures(row, remarks[row.id], now) for row in destinations],
        sources=[
            SourceFiguresOut(
                id=row.id,
                name=row.name,
                kind=row.kind,
                messages=row.messages,
                failed_on_ingest=row.invalid,
                email_events=row.email_events,
                repeated_email_events=row.repeated,
                failed_email_events=row.failed_events,
                incomplete=row.incomplete,
            )
            for row in sources
        ],
    )


@router.get("/workspace/checklist", response=ChecklistOut)
def get_checklist(request: ApiRequest) -> ChecklistOut:
    """What is left to do until the first contact arrives."""
    steps = [
        ChecklistStepOut(title=step.title, what=step.what, done=step.done, problem=step.problem)
        for step in steps_of(request.auth.workspace)
    ]
    return ChecklistOut(steps=steps)


@router.get("/workspace/engage", response=EngageOut)
def get_engage(request: ApiRequest) -> EngageOut:
    """Whether Engage is on, and what it keeps."""
    space = queries.space_of(request.auth.workspace)
    settings = _engage(request.auth.workspace)
    kept = queries.storage(space) if space else queries.Storage(0, queries.LEAST_DAYS_KEPT)
    return EngageOut(
        enabled=settings["engage"],
        retention_days=settings["engage_retention_days"],
        days_kept=kept.days_kept,
        excluded_sources=settings["engage_excluded_sources"],
        history_requested_at=space.history_requested_at if space else None,
        bytes=kept.bytes,
        people=kept.people,
        events=kept.events,
        is_estimate=kept.is_estimate,
        oldest_event_at=kept.since,
    )


@router.patch("/workspace", auth=editor, response=WorkspaceOut)
def change_workspace(request: ApiRequest, body: WorkspacePatch) -> WorkspaceOut:
    """Rename the workspace of the token, set its time zone, or switch Engage on or off and set it. All of it is done, or nothing.

    Name and time zone take the role owner.
    """
    if body.name is not None or body.time_zone is not None:
        request.auth.require(Role.OWNER)
    actor, workspace = request.auth.actor, request.auth.workspace
    with transaction.atomic():
        if body.time_zone is not None:
            workspaces.set_time_zone(actor, body.time_zone)
        if body.name is not None:
            workspaces.rename(actor, body.name)
        computations.configure(
            actor,
            enabled=body.engage,
            retention_days=body.engage_retention_days,
            excluded_sources=body.engage_excluded_sources,
            loads_history=bool(body.engage_load_history),
        )
    return _workspace(workspace)


@router.delete("/workspace", auth=owner, response=WorkspaceOut)
def delete_workspace(request: ApiRequest) -> WorkspaceOut:
    """Delete the workspace of the token with all that is in it, the token included.

    Nothing in it may be enabled: no destination, no source, no Mailjet account. The user whose token it is needs
    another workspace, whose audit log records it.
    """
    workspace = request.auth.workspace
    deleted = _workspace(workspace)
    workspaces.delete(request.auth.actor)
    return deleted


@router.post("/workspaces", auth=owner, response={201: NewWorkspaceOut})
def create_workspace(request: ApiRequest, body: WorkspaceIn) -> NewWorkspaceOut:
    """Create another workspace, owned by the user whose token it is."""
    new_owner = workspaces.add(request.auth.actor, body.name)
    _, token = api_tokens.make(new_owner, request.auth.token.name, Role.OWNER)
    return NewWorkspaceOut(id=new_owner.workspace.id, name=new_owner.workspace.name, token=token)


def _workspace(row: Workspace) -> WorkspaceOut:
    return WorkspaceOut(id=row.id, name=row.name, time_zone=row.time_zone, **_engage(row))


def _engage(workspace: Workspace) -> dict[str, Any]:
    space = queries.space_of(workspace)
    excluded = space.excluded_sources.order_by("id").values_list("id", flat=True) if space else ()
    return {
        "engage": space is not None and space.enabled,
        "engage_retention_days": space.retention_days if space else definition.DEFAULT_RETENTION_DAYS,
        "engage_excluded_sources": list(excluded),
    }


def _destination_figures(row: DestinationReport, remarks: list[str], now: Health) -> DestinationFiguresOut:
    backlog = now.backlog(row.id)
    pause = PauseOut(code=row.pause_code, reason=row.pause_reason) if row.pause_code else None
    return DestinationFiguresOut(
        id=row.id,
        name=row.name,
        kind=row.kind,
        state=cast("StateName", now.shown(row.id, row.state)),
        health=now.state_of(row.id),
        lag=backlog.lag,
        oldest_pending_seconds=backlog.oldest_seconds(now.at),
        open_jobs=backlog.jobs,
        oldest_job_seconds=backlog.job_seconds(now.at),
        pause=pause,
        last_error=row.last_error or None,
        received=row.received,
        delivered=row.delivered,
        filtered=row.filtered,
        failed=row.failed,
        pending=row.pending,
        unread=row.unread,
        in_flight=row.in_flight,
        awaiting_retry=row.awaiting_retry,
        replayed=row.replayed,
        reasons=row.reasons,
        balanced=row.balanced,
        remarks=remarks,
        sync=sync_out(now.syncs.get(row.id)),
    )
