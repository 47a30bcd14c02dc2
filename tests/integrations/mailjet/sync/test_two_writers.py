"""Two destinations of one Mailjet account merge into the same contact at once, and neither undoes what the other has done.

SQLite has one writer at a time. Another database has not: there the second one has to wait, or to read the contact again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.at_once import at_once

from jetbridge.delivery import ledger
from jetbridge.delivery.base import DeliveryCounts, DeliveryItem
from jetbridge.eventlog.base import Record
from jetbridge.integrations.mailjet.contacts.contact import load_contacts
from jetbridge.integrations.mailjet.contacts.pending import flatten
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.spec.message import decode

if TYPE_CHECKING:
    from conftest import TwoLists

MESSAGES = 200


@dataclass
class Read:
    """One message was read (`Progress`)."""

    destination: int
    record: Record

    @contextmanager
    def commit(self) -> Iterator[DeliveryCounts]:
        consumed = {self.record.source: 1}
        with ledger.commit(self.destination, self.record.position, consumed, DeliveryCounts()) as counts:
            yield counts


def test_400_merges_of_two_writers_into_one_contact_are_all_kept(two: "TwoLists") -> None:
    """In pairs: both writers begin a merge at the same moment."""
    sources = {"first": two.bridge.source, "second": two.second_only}
    expected = {f"{writer}_{number}": number for writer in sources for number in range(MESSAGES)}
    for name, number in expected.items():
        call = two.bridge.identify("ada", {"email": "ada@b.com", name: number})
        two.bridge.log.append([call._replace(source=sources[name.split("_")[0]])])
    runtimes = {ref.id: MAILJET.open(ref) for ref in two.refs}

    def merge(destination: int, record: Record) -> None:
        item = DeliveryItem(record.position, decode(record.body), source=record.source)
        runtimes[destination].deliver([item], Read(destination, record))

    records = two.bridge.log.read(0)
    first, second = runtimes
    for pair in zip(records[:MESSAGES], records[MESSAGES:], strict=True):
        at_once(partial(merge, first, pair[0]), partial(merge, second, pair[1]))

    (row,) = Contact.objects.all()
    (contact,) = load_contacts(row.account_id, ["ada@b.com"]).values()
    assert contact.desired.values == expected
    waiting = {destination: waits.total for destination, _, waits in flatten(contact.pending)}
    assert waiting == {first: MESSAGES, second: MESSAGES}
    assert {report.id: report.in_flight for report in two.reports()} == waiting
    assert [report.pending for report in two.reports()] == [
        MESSAGES,
        2 * MESSAGES,
    ]  # the second one gets both
