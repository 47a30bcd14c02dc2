"""What an operator changes for all workspaces of this installation at once: each gets its entry in the audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.delivery import log_recovery
from jetbridge.delivery.log_recovery import Loss, Reset
from jetbridge.eventlog.base import EventLog
from jetbridge.source_schema.models import READER
from jetbridge.source_schema.reader import begin_in_replaced_log


def reset_positions(who: str, event_log: EventLog, to: datetime) -> list[Reset]:
    """Let every reader whose position means nothing in this log start in it, at what was received at `to` or later.

    Each reader in a transaction of its own.
    """
    moved = log_recovery.reset(event_log, to, begins={READER: begin_in_replaced_log})
    if moved:
        _audit(who, "installation.positions-reset", {"readers": [reset.consumer for reset in moved]})
    return moved


def count_lost(who: str, event_log: EventLog, *, counted: bool) -> list[Loss]:
    """Count what a recovered log has lost as failed; see `log_recovery.count_lost`."""
    losses = log_recovery.count_lost(event_log, counted=counted)
    lost = {loss.destination: loss.messages for loss in losses}
    _audit(who, "installation.log-recovered", {"lost messages": lost})
    return losses


@transaction.atomic
def _audit(who: str, action: str, details: Mapping[str, Any]) -> None:
    for workspace in Workspace.objects.order_by("id"):
        Actor(workspace, None, who).audit(action, details=details)
