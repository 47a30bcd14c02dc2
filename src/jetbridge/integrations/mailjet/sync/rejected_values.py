"""Values that were rejected, checked again when Mailjet's Datatypes have changed.

A value that does not fit stays rejected until it changes. Somebody may change the property instead, in Mailjet's
pages; then the values that fit now are due again. Which contacts these are stands in their state alone, so
all of it is read: rarely, and only where values are rejected.
"""

from collections.abc import Mapping
from contextlib import suppress

from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.integrations.mailjet.api.properties import ValueRejected, datatype_of, fit
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.contacts.traits import OF_TRAIT
from jetbridge.integrations.mailjet.models import RejectedValue
from jetbridge.integrations.mailjet.sync.account import Account

#: How often is looked for rejected values; and while there are some, how old Datatypes may be: somebody changes a
#: property, and waits for the effect.
POLL_MS, FRESH_SECONDS = 10_000, 60.0

_PAGE = 2_000


class RejectedValuesWatch:
    """Used by the reconcile thread of the account. Its first poll checks all rejected values, later ones those whose Datatype changed."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._poll_at = 0
        self._seen: dict[str, str] | None = None

    def poll(self) -> None:
        """Make values due that Mailjet would accept now. May call Mailjet, raises DeliveryError."""
        now = self._account.now()
        if now < self._poll_at:
            return
        self._poll_at = now + POLL_MS
        rows = RejectedValue.objects.filter(account_id=self._account.id)
        names = set(rows.exclude(property__startswith=OF_TRAIT).values_list("property", flat=True))
        if not names:
            return
        datatypes = dict(self._account.types.for_values([], fresh_seconds=FRESH_SECONDS))
        seen, self._seen = self._seen, datatypes
        if changed := {name for name in names if seen is None or datatypes.get(name) != seen.get(name)}:
            fitting, rejected = self._retry(changed, datatypes)
            # The count of values that are still rejected goes on.
            rows.filter(property__in=fitting - rejected).delete()

    def _retry(self, names: set[str], datatypes: Mapping[str, str]) -> tuple[set[str], set[str]]:
        """Check these properties of all contacts; return those of which values fit now, and those of which values do not."""
        fitting, rejected, after = set[str](), set[str](), 0
        while page := queries.rows(queries.DELIVERED_PAGE, self._account.id, after, _PAGE):
            if any(_has_rejected(row) for _, row in page):
                with transaction.atomic():
                    changes = []
                    # Read again: consent may have changed them meanwhile.
                    for row_id, row in queries.rows(queries.DELIVERED_PAGE, self._account.id, after, _PAGE):
                        try:
                            if not _has_rejected(row):
                                continue
                            delivered = state.decode_delivered(row)
                            values = {
                                name: delivered.rejected[name] for name in names & delivered.rejected.keys()
                            }
                            accepted = set()
                            for name, value in values.items():
                                # A property that does not exist would be created to fit.
                                with suppress(ValueRejected):
                                    fit(value, datatypes.get(name, datatype_of(value)))
                                    accepted.add(name)
                            fitting |= accepted
                            rejected |= values.keys() - accepted
                            for name in accepted:
                                del delivered.rejected[name]
                            if accepted:
                                changes.append((state.encode(delivered), self._account.now(), row_id))
                        except Exception as error:  # noqa: BLE001 - one contact must not stop the account
                            isolation.note(error, f"Contact {row_id}")
                    queries.write(queries.REVERT_DELIVERED, changes)
            after = page[-1][0]
        return fitting, rejected


def _has_rejected(row: bytes) -> bool:
    return b'"rejected":' in row
