"""Lights of Engage: what stops it, delays it, or makes it know less than it should."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings

from jetbridge.db.sqlite import is_damage
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.engage import store
from jetbridge.engage.configuration import sources_of
from jetbridge.engage.models import Space
from jetbridge.engage.store import FAILED, Meta
from jetbridge.eventlog.base import EventLog
from jetbridge.text import duration, pluralize

ENGAGE_BEHIND: Final = "ENGAGE_BEHIND"
ENGAGE_RETRYING: Final = "ENGAGE_RETRYING"
DEFINITION_FAILED: Final = "DEFINITION_FAILED"
ENGAGE_DAMAGED: Final = "ENGAGE_DAMAGED"
ENGAGE_REBUILT: Final = "ENGAGE_REBUILT"
ENGAGE_LEFT_OUT: Final = "ENGAGE_LEFT_OUT"

#: How old a message may be that was not read yet.
BEHIND_SECONDS: Final = 45.0
#: How long something that has happened is shown.
SHOWN: Final = timedelta(days=1)
#: Definitions that are named.
_NAMED: Final = 5


def lights(event_log: EventLog, now: datetime) -> Iterator[Light]:
    spaces = Space.objects.filter(enabled=True).select_related("workspace").order_by("id")
    rows = ConsumerOffset.objects.in_bulk([store.reader(space.workspace_id) for space in spaces])
    for space in spaces:
        if row := rows.get(store.reader(space.workspace_id)):
            yield from _of_reader(space, row, event_log, now)
        yield from _of_store(space, now)


def _of_reader(space: Space, row: ConsumerOffset, event_log: EventLog, now: datetime) -> Iterator[Light]:
    name, thing, workspace = f"Engage of {space.workspace}", _thing(space), space.workspace_id
    if row.pause_code:
        paused_since = f" since {row.paused_at:%Y-%m-%d %H:%M} UTC" if row.paused_at else ""
        yield Light(
            row.pause_code, "fail", thing, f"{name} is paused ({row.pause_code}){paused_since}", row.pause_reason, row.paused_at,
            workspace=workspace,
        )  # fmt: skip
        return
    if row.last_error:
        yield Light(
            ENGAGE_RETRYING, "warn", thing, f"{name} waits and tries again", row.last_error, row.retrying_since,
            workspace=workspace,
        )  # fmt: skip
    first = event_log.first_received(row.position, [*sources_of(space)])
    since = None if first is None else datetime.fromtimestamp(first / 1000, UTC)
    if since and (now - since).total_seconds() >= BEHIND_SECONDS:
        yield Light(
            ENGAGE_BEHIND, "fail", thing,
            f"{name}: the oldest message that was not read has waited for {duration((now - since).total_seconds())}",
            "Audiences and computed traits are as they were then. See the other lights, and the worker's log. It goes on by itself, "
            "and nothing is lost.",
            since, workspace=workspace,
        )  # fmt: skip


def _of_store(space: Space, now: datetime) -> Iterator[Light]:
    name, thing, workspace = f"Engage of {space.workspace}", _thing(space), space.workspace_id
    try:
        with store.open_for_reading(settings.CONFIG.home, workspace) as connection:
            if connection is None:
                return
            meta = Meta(connection)
            failed = connection.execute(
                "SELECT key, error FROM definition WHERE state = ? ORDER BY key", [FAILED]
            ).fetchall()
            rebuilt_at, left_out_at = meta.moment("rebuilt_at"), meta.moment("left_out_at")
            left_out, why = meta.number("left_out"), meta.text("left_out_why")
    except sqlite3.Error as error:  # else its worker pauses
        if is_damage(error):
            yield Light(
                ENGAGE_DAMAGED, "fail", thing, f"{name}: its file is damaged, or was written over",
                "The worker sets it aside and makes it anew from the event log within a minute; nothing that the log has is lost. See that "
                "the worker runs. To keep what is older than the log, stop Jetbridge and restore a backup.",
                workspace=workspace,
            )  # fmt: skip
        return
    if failed:
        keys = ", ".join(key for key, _ in failed[:_NAMED])
        yield Light(
            DEFINITION_FAILED, "warn", thing,
            f"{name}: {pluralize(len(failed), 'definition')} cannot be computed ({keys})",
            f"{failed[0][1]} Their members stay as they were. Change the definition: then it is tried again.",
            workspace=workspace,
        )  # fmt: skip
    if rebuilt_at and now - rebuilt_at < SHOWN:
        yield Light(
            ENGAGE_REBUILT, "warn", thing,
            f"{name}: its file was missing or damaged, and was made anew at {rebuilt_at:%Y-%m-%d %H:%M} UTC",
            "It knows what the event log still has. Older events are gone, so conditions with a longer window may find fewer people "
            "until new events come; what destinations were sent earlier and the log no longer has may be sent once more.",
            rebuilt_at, workspace=workspace,
        )  # fmt: skip
    if left_out_at and now - left_out_at < SHOWN:
        yield Light(
            ENGAGE_LEFT_OUT, "warn", thing,
            f"{name}: {pluralize(left_out, 'message')} could not be taken in ({why})",
            "Jetbridge has a bug that they meet; the others went on. Please report it.",
            left_out_at, workspace=workspace,
        )  # fmt: skip


def _thing(space: Space) -> str:
    return f"thread:{store.reader(space.workspace_id)}"
