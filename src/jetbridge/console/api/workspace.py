"""The workspace of the token, with its figures: what `jetbridge status --json` tells, of one workspace."""

from typing import Literal

import msgspec

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.log import event_log
from jetbridge.control.directory import destinations_of
from jetbridge.delivery import report
from jetbridge.delivery.report import DestinationReport
from jetbridge.destinations import replaying
from jetbridge.destinations.registry import DEFINITIONS


class Hold(msgspec.Struct):
    """Why a destination has stopped. It keeps its place and drops nothing."""

    code: str
    reason: str


class DestinationFigures(msgspec.Struct):
    """received = delivered + filtered + failed + pending, and pending = unread + held + again.

    `reasons` counts by outcome and reason. `trouble` is why it waits and tries again; mostly null. `remarks` are sentences about what arrived only in part.
    """

    id: int
    name: str
    kind: str
    state: Literal["running", "held", "disabled"]
    hold: Hold | None
    trouble: str | None
    received: int
    delivered: int
    filtered: int
    failed: int
    pending: int
    unread: int
    held: int
    again: int
    replayed: int
    reasons: dict[str, dict[str, int]]
    balanced: bool
    remarks: list[str]


class SourceFigures(msgspec.Struct):
    id: int
    name: str
    kind: str
    messages: int
    failed_on_ingest: int
    email_events: int


class Status(msgspec.Struct):
    """`role` is what the token may do. Without a worker that runs nothing is delivered."""

    id: int
    name: str
    role: str
    worker_runs: bool
    balanced: bool
    destinations: list[DestinationFigures]
    sources: list[SourceFigures]


@endpoint("GET", "workspace")
def get_status(caller: Caller) -> Status:
    """The workspace of the token: its sources and destinations with their figures."""
    refs = {ref.id: ref for ref in destinations_of(caller.workspace.id) if ref.kind in DEFINITIONS}
    remarks = {id_: list(DEFINITIONS[ref.kind].remarks(ref)) for id_, ref in refs.items()}
    own_sources = set(caller.workspace.sources.values_list("id", flat=True))
    with event_log() as log:
        destinations = [row for row in report.report(log.counts) if row.id in refs]
        sources = [row for row in report.sources(log.counts()) if row.id in own_sources]
    return Status(
        caller.workspace.id,
        caller.workspace.name,
        caller.role,
        replaying.worker_runs(),
        all(row.balanced for row in destinations),
        [_destination(row, remarks[row.id]) for row in destinations],
        [
            SourceFigures(row.id, row.name, row.kind, row.messages, row.invalid, row.email_events)
            for row in sources
        ],
    )


def _destination(row: DestinationReport, remarks: list[str]) -> DestinationFigures:
    figures = {
        name: getattr(row, name) for name in DestinationFigures.__struct_fields__ if hasattr(row, name)
    }
    hold = Hold(row.hold_code, row.hold_reason) if row.hold_code else None
    return DestinationFigures(**{**figures, "trouble": row.trouble or None}, hold=hold, remarks=remarks)
