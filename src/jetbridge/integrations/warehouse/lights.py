"""Lights of warehouses: tables that hold up messages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Min, Sum

from jetbridge.control.models import Destination
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import RetryEntry, destination_consumer
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.warehouse.models import Table
from jetbridge.text import pluralize

TABLE_BLOCKED: Final = "TABLE_BLOCKED"
#: A lock, for which a table waits, is gone by then.
_RETRY_DEADLINE: Final = timedelta(seconds=45)
#: Tables of one destination that are named.
_NAMED: Final = 5


def lights() -> Iterator[Light]:
    """One for each destination with such tables."""
    blocked: dict[int, list[Table]] = {}
    for table in Table.objects.exclude(problem="").order_by("schema", "name"):
        blocked.setdefault(table.destination_id, []).append(table)
    rows = Destination.objects.filter(id__in=blocked, kind=location.KIND, enabled=True) if blocked else ()
    for row in rows:
        figures = RetryEntry.objects.filter(destination_id=row.id).aggregate(
            Sum("total"), Min("requested_at")
        )
        waiting, since = figures["total__sum"], figures["requested_at__min"]
        if not waiting or not since:
            continue
        tables = blocked[row.id]
        names = ", ".join(f"{table.schema}.{table.name}" for table in tables[:_NAMED])
        more = f" and {len(tables) - _NAMED} more" if len(tables) > _NAMED else ""
        yield Light(
            TABLE_BLOCKED,
            "fail" if datetime.now(UTC) - since >= _RETRY_DEADLINE else "warn",
            destination_consumer(row.id),
            f"{row.name}: {pluralize(waiting, 'message waits', 'messages wait')} for {names}{more} "
            f"since {since:%Y-%m-%d %H:%M} UTC",
            " ".join(table.problem for table in tables[:_NAMED]),
            since,
            frozenset([row.id]),
        )
