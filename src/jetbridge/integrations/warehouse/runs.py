"""Runs and tables as pages and the API show them, written with each load."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from django.db import DatabaseError, transaction
from django.db.models import F

from jetbridge.control.models import Destination
from jetbridge.delivery import retry_queue, syncs
from jetbridge.errors import DeliveryError
from jetbridge.integrations.warehouse.database import TableName
from jetbridge.integrations.warehouse.loader import LoadResult
from jetbridge.integrations.warehouse.models import Run, Table

_V = TypeVar("_V")

#: Runs kept per destination: three days of one every five seconds, or half a year of one every hour.
RUNS_KEPT = 50_000


def record(destination: int, began_at: datetime, messages: int, result: LoadResult) -> None:
    """One that loaded something, or found that it cannot. In the transaction that ends the batch.

    Of a destination that was removed meanwhile nothing is kept.
    """
    if not Destination.objects.filter(id=destination).exists():
        return
    rows, rejected = _by_name(+result.rows), _by_name(result.rejected)
    problems = _by_name(result.problems)
    latest, sync = _latest(destination), syncs.under_way(destination)
    if latest and sync and latest.sync_began_at == sync:
        _continue(latest, messages, result)
    elif not sync and latest and not rows and problems and latest.problems == problems and not latest.rows:
        _repeat(latest)
    else:
        Run.objects.create(
            destination_id=destination,
            sync_began_at=sync,
            began_at=sync or began_at,
            ended_at=datetime.now(UTC),
            messages=messages,
            rows=rows,
            rejected=rejected,
            waiting=len(result.waiting),
            problems=problems,
        )
        _trim(destination)
    _record_tables(destination, result)


def record_failure(destination: int, began_at: datetime, messages: int, error: DeliveryError) -> None:
    """One that loaded nothing. Those that follow with the same error, or in the same sync, count as one with it."""
    message, latest = str(error), _latest(destination)
    try:
        with transaction.atomic():
            sync = syncs.under_way(destination)
            if latest and latest.sync_began_at == sync and (sync or latest.error == message):
                _repeat(latest, error=message)
            elif Destination.objects.filter(id=destination).exists():
                Run.objects.create(
                    destination_id=destination,
                    sync_began_at=sync,
                    began_at=sync or began_at,
                    ended_at=datetime.now(UTC),
                    messages=0 if sync else messages,
                    error=message,
                )
    except DatabaseError:
        return  # the consumer meets it, too, and says so


def count_erased(destination: int, rows: Mapping[TableName, int]) -> None:
    for table, number in rows.items():
        Table.objects.filter(destination_id=destination, schema=table.schema, name=table.name).update(
            rows=F("rows") - number
        )


def _record_tables(destination: int, result: LoadResult) -> None:
    known = {TableName(row.schema, row.name): row for row in Table.objects.filter(destination_id=destination)}
    for name, columns in result.columns.items():
        row = known.get(name) or Table(destination_id=destination, schema=name.schema, name=name.name)
        is_new = row.pk is None
        if is_new or result.rows[name] or result.rejected[name] or row.columns != columns or row.problem:
            row.rows += result.rows[name]
            row.rejected += result.rejected[name]
            row.columns, row.problem, row.loaded_at = columns, "", datetime.now(UTC)
            row.save()
    if any(row.problem for row in known.values()) and not retry_queue.waiting(destination):
        # Nothing waits for it any more: it is left out now, or was withdrawn.
        Table.objects.filter(destination_id=destination).exclude(problem="").update(problem="")
    for name, problem in result.problems.items():
        Table.objects.update_or_create(
            destination_id=destination, schema=name.schema, name=name.name, defaults={"problem": problem}
        )


def _by_name(values: Mapping[TableName, _V]) -> dict[str, _V]:
    return {str(table): value for table, value in values.items()}


def _latest(destination: int) -> Run | None:
    return Run.objects.filter(destination_id=destination).order_by("-id").first()


def _repeat(row: Run, **changes: str) -> None:
    Run.objects.filter(id=row.id).update(attempts=F("attempts") + 1, ended_at=datetime.now(UTC), **changes)


def _continue(row: Run, messages: int, result: LoadResult) -> None:
    """Another load of the same sync."""
    row.messages += messages
    row.rows = dict(Counter(row.rows) + Counter(_by_name(result.rows)))
    row.rejected = dict(Counter(row.rejected) + Counter(_by_name(result.rejected)))
    row.waiting += len(result.waiting)
    row.problems |= _by_name(result.problems)
    row.error, row.ended_at = "", datetime.now(UTC)
    row.save()


def _trim(destination: int) -> None:
    rows = Run.objects.filter(destination_id=destination).order_by("-id")
    if oldest := rows.values_list("id", flat=True)[RUNS_KEPT : RUNS_KEPT + 1]:
        rows.filter(id__lte=oldest[0]).delete()
