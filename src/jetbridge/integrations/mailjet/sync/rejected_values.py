"""Values that were rejected, looked at again when Mailjet's Datatypes have changed.

A value that does not fit stays aside until it changes. Somebody may mend the property instead, in Mailjet's
pages; then the values that fit now are due again. Which contacts these are stands in their state alone, so
all of it is read: rarely, and only where something is aside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.integrations.mailjet.api.properties import ValueRejected, fit
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.contacts.traits import OF_TRAIT
from jetbridge.integrations.mailjet.models import RejectedValue
from jetbridge.integrations.mailjet.sync.account import Account

#: How often it is asked whether something is aside; and while something is, how old Datatypes may be: somebody
#: mends a property, and waits to see it.
LOOK_MS, FRESH_SECONDS = 10_000, 60.0

_PAGE = 2_000


class RejectedValuesWatch:
    """Used by the reconcile thread of the account. Compares from its first look on; then it looks at all."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._look_at = 0
        self._seen: dict[str, str] | None = None

    def look(self) -> None:
        """Make due what Mailjet would take now. May call Mailjet, raises DeliveryError."""
        now = self._account.now()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_MS
        rows = RejectedValue.objects.filter(account_id=self._account.id)
        names = set(rows.exclude(property__startswith=OF_TRAIT).values_list("property", flat=True))
        if not names:
            return
        datatypes = dict(self._account.types.for_values([], fresh_seconds=FRESH_SECONDS))
        seen, self._seen = self._seen, datatypes
        changed = {name for name in names if seen is None or datatypes.get(name) != seen.get(name)}
        if changed:
            self._mend(_Mending(self._account.id, changed, datatypes, now))

    def _mend(self, mending: "_Mending") -> None:
        mending.walk()
        # Of what is refused still, the count goes on.
        gone = mending.mended - mending.refused
        RejectedValue.objects.filter(account_id=self._account.id, property__in=gone).delete()


@dataclass
class _Mending:
    """One walk through the contacts of an account, for the properties `names`."""

    account: int
    names: set[str]
    datatypes: Mapping[str, str]
    next_attempt_at: int
    mended: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def walk(self) -> None:
        after = 0
        while page := self._page(after):
            if any(_has_rejected(row) for _, row in page):
                with transaction.atomic():
                    rows = self._page(after)  # again: consent may have changed them meanwhile
                    changes = [change for row_id, row in rows if (change := self._mended(row_id, row))]
                    queries.write(queries.REVERT_DELIVERED, changes)
            after = page[-1][0]

    def _page(self, after: int) -> list[tuple[Any, ...]]:
        return queries.rows(queries.DELIVERED_PAGE, self.account, after, _PAGE)

    def _mended(self, row_id: int, row: bytes) -> tuple[bytes, int, int] | None:
        try:
            return self._mend(row_id, row)
        except Exception as error:  # noqa: BLE001 - one contact must not stop the account
            isolation.note(error, f"Contact {row_id}")
            return None

    def _mend(self, row_id: int, row: bytes) -> tuple[bytes, int, int] | None:
        if not _has_rejected(row):
            return None
        delivered = state.decode_delivered(row)
        found = self.names & delivered.rejected.keys()
        fitting = {name for name in found if _fits(delivered.rejected[name], self.datatypes.get(name))}
        self.refused |= found - fitting
        self.mended |= fitting
        for name in fitting:
            del delivered.rejected[name]
        return (state.encode(delivered), self.next_attempt_at, row_id) if fitting else None


def _has_rejected(row: bytes) -> bool:
    return b'"rejected":' in row


def _fits(value: Any, datatype: str | None) -> bool:
    """A property that is not there would be created to fit."""
    try:
        if datatype is not None:
            fit(value, datatype)
    except ValueRejected:
        return False
    return True
