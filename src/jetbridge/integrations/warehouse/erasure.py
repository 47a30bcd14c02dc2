"""A warehouse as a place that keeps data of people: see `privacy.erasure`."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from jetbridge.errors import DeliveryError, PauseError, TransientError
from jetbridge.integrations.warehouse import runs
from jetbridge.integrations.warehouse.database import Database, TableRefused
from jetbridge.integrations.warehouse.erase import erase
from jetbridge.integrations.warehouse.lights import TABLE_BLOCKED
from jetbridge.integrations.warehouse.models import ErasedRows, Schema
from jetbridge.privacy import erasure, suppression
from jetbridge.spec.person import Identity
from jetbridge.text import pluralize

log = logging.getLogger(__name__)

#: How soon a warehouse that refused is asked again, and one that was emptied of a person is looked through again.
REFUSED_SECONDS: Final = 10.0
LOOKED_THROUGH_SECONDS: Final = 60.0


@dataclass(frozen=True)
class WarehouseErasure:
    """Of one destination. What is loaded from a batch that was read before suppression began is deleted, too: the position of
    `readers` has passed it by then.
    """

    destination: int
    name: str
    readers: Sequence[str]
    #: Raises PauseError when the settings lead nowhere.
    open: Callable[[], Database]

    def known(self, identity: Identity) -> Identity:
        return identity

    def erase(self, identity: Identity, now: int) -> None:  # noqa: ARG002 - see `privacy.erasure`
        """Begin to count. Rows go with `erased`: a file may be locked, a server down."""
        self._counted(identity).delete()
        _emptied.pop((self.destination, identity), None)

    def erased(self, identity: Identity) -> str | None:
        schemas = Schema.objects.filter(destination_id=self.destination).values_list("name", flat=True)
        if not schemas:
            return f"{self.name}: nothing was loaded."
        if not _is_recent(_emptied.get((self.destination, identity)), LOOKED_THROUGH_SECONDS):
            if error := self._delete_rows(schemas, identity):
                name = min(identity.users | identity.emails)
                erasure.note_error(name, error, what=f"{self.name} does not delete the rows now: ")
                return None
            for key, at in list(_emptied.items()):
                if not _is_recent(at, LOOKED_THROUGH_SECONDS):
                    del _emptied[key]
            _emptied[self.destination, identity] = time.monotonic()
        row = self._counted(identity).first()
        rows = row.rows if row else {}
        tables = ", ".join(f"{table} {number:,}" for table, number in sorted(rows.items()))
        deleted = pluralize(sum(rows.values()), "row")
        return f"{self.name}: {deleted} deleted{f' ({tables})' if tables else ''}."

    def _delete_rows(self, schemas: Iterable[str], identity: Identity) -> DeliveryError | None:
        """Why it cannot be done now; then nobody asks for a while, for whichever person."""
        refused = _refused.get(self.destination)
        if refused and _is_recent(refused.at, REFUSED_SECONDS):
            return refused.error
        try:
            rows = erase(self.open(), schemas, identity)
        except (TransientError, PauseError, TableRefused) as error:
            log.warning("%s: an erasure waits: %s", self.name, error)
            if isinstance(error, TableRefused):
                error = TransientError(TABLE_BLOCKED, str(error))
            _refused[self.destination] = _Refused(time.monotonic(), error)
            return error
        with transaction.atomic():
            # Asked again until everybody is done: the receipt has what all times deleted together.
            row, _ = self._counted(identity).get_or_create(
                defaults={"destination_id": self.destination, "digest": suppression.digests(identity)[0]}
            )
            row.rows = dict(Counter(row.rows) + Counter({str(table): rows[table] for table in rows}))
            row.save()
            runs.count_erased(self.destination, rows)
        return None

    def _counted(self, identity: Identity) -> QuerySet[ErasedRows]:
        digest = suppression.digests(identity)[0]
        return ErasedRows.objects.filter(destination_id=self.destination, digest=digest)


class _Refused(NamedTuple):
    at: float
    error: DeliveryError


#: When each warehouse refused last, and when each was emptied of a person, on the clock of this process: looking through a whole
#: warehouse every second would burden it, and one that hangs would keep everybody's erasures waiting.
_refused: dict[int, _Refused] = {}
_emptied: dict[tuple[int, Identity], float] = {}


def _is_recent(at: float | None, seconds: float) -> bool:
    return at is not None and time.monotonic() - at < seconds
