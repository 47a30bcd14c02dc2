"""Jobs that were given up because they did not end, and may run all the same.

What such a job writes is older than what was told since. So it is watched until it has ended; then nobody knows
what Mailjet holds of its contacts, and all of it is sent again.
"""

import logging
from collections.abc import Sequence

import msgspec
from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.errors import TransientError
from jetbridge.integrations.mailjet.api.resources import ADDFORCE
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.models import Job
from jetbridge.integrations.mailjet.sync.account import Account
from jetbridge.integrations.mailjet.sync.bulk_jobs import status_of

log = logging.getLogger(__name__)

#: How often they are looked at, and when at last that is no use.
LOOK_MS, LONGEST_MS = 60_000, 7 * 86_400_000


class AbandonedJobs:
    """Used by the reconcile thread of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._look_at = 0

    def look(self) -> None:
        """Look at them, if it is time. Raises PauseError."""
        now = self._account.now()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_MS
        for row in Job.objects.filter(account_id=self._account.id).exclude(given_up_at=None):
            if self._has_ended(row, now):
                log.warning("Job %d has ended after it was given up.", row.job_id)
                self._mark_unconfirmed(row)

    def _has_ended(self, row: Job, now: int) -> bool:
        try:
            ended = status_of(self._account, row.job_id, row.list_id).ended
        except TransientError:
            ended = False
        return ended or now - (row.given_up_at or 0) > LONGEST_MS

    def _mark_unconfirmed(self, row: Job) -> None:
        carried: list[int] = msgspec.json.decode(bytes(row.carried or b"[]"))
        with transaction.atomic():
            changes = []
            for id_, delivered in _delivered(carried):
                try:
                    changes.append((_unconfirmed(delivered), self._account.now(), id_))
                except Exception as error:  # noqa: BLE001 - one contact must not stop the account
                    isolation.note(error, f"Contact {id_}")
            queries.write(queries.REVERT_DELIVERED, changes)
            row.delete()


def _delivered(ids: Sequence[int]) -> list[tuple[int, bytes]]:
    return list(queries.rows_of_ids(queries.DELIVERED_OF, ids))


def _unconfirmed(row: bytes) -> bytes:
    """An addforce that was confirmed is not told again on suspicion: the person may have unsubscribed since."""
    delivered = state.decode_delivered(row)
    forced = {list_id: action for list_id, action in delivered.lists.items() if action == ADDFORCE}
    delivered.mark_unconfirmed(delivered)
    delivered.lists |= forced
    delivered.name = None
    return state.encode(delivered)
