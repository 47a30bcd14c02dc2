"""Delivers messages into a warehouse, a batch at a time."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery import metrics, retry_queue
from jetbridge.delivery.base import BatchPolicy, DeliveryCounts, DeliveryItem, Progress
from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse import runs
from jetbridge.integrations.warehouse.database import Database
from jetbridge.integrations.warehouse.lights import TABLE_BLOCKED
from jetbridge.integrations.warehouse.loader import Arrival, LoadResult, load
from jetbridge.integrations.warehouse.models import Table
from jetbridge.integrations.warehouse.schemas import schema_of
from jetbridge.integrations.warehouse.selection import Selection
from jetbridge.privacy import erasure
from jetbridge.text import pluralize

#: What makes a load cheap; and a file that somebody had open is loaded soon after it is closed.
BATCHES: Final = BatchPolicy(records=10_000, linger_seconds=5.0, retry_cap_seconds=5.0)
#: A batch of so many is one of a stream. (The log gives 8 MB at once: of large messages fewer than a batch may have.)
STREAM_RECORDS: Final = BATCHES.records // 2
#: Through dlt a load takes a second whatever is in it. (What waits between two syncs is the schedule's business.)
DLT_BATCHES: Final = BatchPolicy(records=10_000, linger_seconds=5.0, retry_cap_seconds=60.0)
#: How long messages wait whose table cannot be loaded before it is tried again; longer if many of them wait.
TABLE_RETRY_SECONDS: Final = 30.0
_RETRIED_PER_SECOND: Final = 1_000
#: How many may wait so. Beyond, new messages wait in the event log, those of other tables as well.
MOST_WAITING: Final = 100_000


class WarehouseSink:
    """One warehouse, for one thread. repr() shows no secret."""

    def __init__(
        self, ref: DestinationRef, database: Database, selection: Selection, schemas: Mapping[str, Any]
    ) -> None:
        self._ref, self._database, self._selection = ref, database, selection
        self._chosen_schemas = dict(schemas)
        #: By source.
        self._schemas: dict[int, str] = {}

    def __repr__(self) -> str:
        return f"WarehouseSink({self._ref.name}, {self._database!r})"

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        began_at = datetime.now(UTC)
        calls = [item for item in items if item.message.type != "delete"]
        result = LoadResult()
        waiting = retry_queue.waiting(self._ref.id)
        if calls:
            try:
                if waiting >= MOST_WAITING and not retry_queue.is_waiting(self._ref.id, calls[0].position):
                    raise self._too_many_wait(waiting)
                arrivals = [Arrival(self._schema_of(item.source), item.message) for item in calls]
                result = load(
                    self._database, arrivals, self._selection, more_follows=len(calls) >= STREAM_RECORDS
                )
            except (TransientError, PauseError) as error:
                runs.record_failure(self._ref.id, began_at, len(calls), error)
                raise
        with progress.commit() as counts:
            self._account(calls, result, counts, max(TABLE_RETRY_SECONDS, waiting / _RETRIED_PER_SECOND))
            erasure.request_by_calls(self._ref.workspace, self._ref.id, items, counts)
            if calls:
                runs.record(self._ref.id, began_at, len(calls), result)

    def close(self) -> None:
        """Nothing is kept open between two loads."""

    def _schema_of(self, source: int) -> str:
        if source not in self._schemas:
            self._schemas[source] = schema_of(self._ref.id, source, self._chosen_schemas)
        return self._schemas[source]

    def _too_many_wait(self, waiting: int) -> TransientError:
        problems = Table.objects.filter(destination_id=self._ref.id).exclude(problem="")
        reasons = " ".join(problems.order_by("id").values_list("problem", flat=True)[:3])
        return TransientError(
            TABLE_BLOCKED,
            f"{pluralize(waiting, 'message')} of tables that cannot be loaded are pending, and new ones wait in the event log: {reasons}",
        )

    def _account(
        self, calls: Sequence[DeliveryItem], result: LoadResult, counts: DeliveryCounts, retry_seconds: float
    ) -> None:
        now = time.time()
        waiting = []
        for place, item in enumerate(calls):
            if place in result.waiting:
                waiting.append(item)
            else:
                counts.delivered += item.total
                metrics.count_latency(counts, item.message.received_at, now)
        retry_queue.postpone(self._ref.id, waiting, retry_seconds)
