"""What Mailjet has: every contact with its properties and its subscriptions to lists, in flat memory.

`contact` and `contactdata` both come by rising contact ID and are read side by side. `listrecipient` has an
ID of its own, so the subscriptions are read before and kept as sorted numbers.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.resources import ADDNOFORCE, UNSUB
from jetbridge.integrations.mailjet.sync.reads import Reads
from jetbridge.spec.emails import written
from jetbridge.spec.times import parse_time


@dataclass(frozen=True)
class RemoteSubscription:
    """A subscription of a contact to a list: ADDNOFORCE (subscribed) or UNSUB, that since `at` (ms) if it is known."""

    action: str
    at: int | None = None


SUBSCRIBED = RemoteSubscription(ADDNOFORCE)


@dataclass
class RemoteContact:
    """One contact. `excluded` from campaigns, or by a complaint about spam, since `excluded_at` (ms), if Mailjet says when."""

    email: str
    name: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    subscriptions: dict[int, RemoteSubscription] = field(default_factory=dict)
    excluded: bool = False
    excluded_at: int | None = None


class Members:
    """Who is on a list, in sixteen bytes each."""

    def __init__(self, recipients: Iterable[rows.ListRecipient]) -> None:
        self._ids, self._since = array("q"), array("q")
        for row in recipients:
            if subscription := subscription_of(row):
                self._ids.append(row.contact_id)
                self._since.append(_IS_SUBSCRIBED if subscription == SUBSCRIBED else subscription.at or 0)
        order = sorted(range(len(self._ids)), key=self._ids.__getitem__)
        self._ids = array("q", (self._ids[index] for index in order))
        self._since = array("q", (self._since[index] for index in order))

    def subscription(self, contact_id: int) -> RemoteSubscription | None:
        index = bisect_left(self._ids, contact_id)
        if index == len(self._ids) or self._ids[index] != contact_id:
            return None
        since = self._since[index]
        return SUBSCRIBED if since == _IS_SUBSCRIBED else RemoteSubscription(UNSUB, since or None)


#: In place of the time of an unsubscribe.
_IS_SUBSCRIBED = -1


def moment(text: str) -> int | None:
    """A time of Mailjet in ms, at the end of its second: what was said in that second was said before."""
    at = parse_time(text)
    return int(at.timestamp()) * 1000 + 999 if at else None


def remote_contacts(reads: Reads, members: dict[int, Members]) -> Iterator[list[RemoteContact]]:
    """Every contact of the account, a page at a time."""
    data = MergeCursor(row for page in reads.contactdata() for row in page)
    for page in reads.contacts():
        values = data.upto(page[-1].id) if page else {}
        yield [_remote_contact(row, values.get(row.id), _subscriptions(members, row.id)) for row in page]


def fetch_remote_contact(reads: Reads, email: str) -> RemoteContact | None:
    """One contact as it is now; None if Mailjet has none."""
    row = reads.read(lambda: reads.client.contact(email))
    if row is None:
        return None
    values = reads.read(lambda: reads.client.contactdata(row.id))
    subscriptions = {
        each.list_id: subscription
        for each in reads.recipients_of(email)
        if (subscription := subscription_of(each))
    }
    return _remote_contact(row, list(_pairs(values)), subscriptions)


def subscription_of(row: rows.ListRecipient) -> RemoteSubscription | None:
    if row.is_unsubscribed:
        return RemoteSubscription(UNSUB, moment(row.unsubscribed_at))
    return SUBSCRIBED if row.is_active else None


class MergeCursor:
    """Rows of contactdata, taken as the contacts advance."""

    def __init__(self, rows: Iterator[rows.ContactData]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def upto(self, contact_id: int) -> dict[int, list[dict[str, Any]]]:
        data_by_contact = {}
        while self._next and self._next.id <= contact_id:
            data_by_contact[self._next.id] = self._next.data
            self._next = next(self._rows, None)
        return data_by_contact


def _subscriptions(members: dict[int, Members], contact_id: int) -> dict[int, RemoteSubscription]:
    return {
        list_id: subscription
        for list_id, each in members.items()
        if (subscription := each.subscription(contact_id))
    }


def _remote_contact(
    row: rows.Contact, data: list[dict[str, Any]] | None, subscriptions: dict[int, RemoteSubscription]
) -> RemoteContact:
    return RemoteContact(
        email=written(row.email),
        name=row.name,
        values={str(pair["Name"]).lower(): pair["Value"] for pair in data or ()},
        subscriptions=subscriptions,
        excluded=row.is_opted_out,
        excluded_at=moment(row.exclusion_from_campaigns_updated_at),
    )


def _pairs(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return ({"Name": name, "Value": value} for name, value in values.items())
