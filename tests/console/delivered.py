"""A Mailjet destination with something behind it, for the tests of its pages."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.urls import reverse

from jetbridge.control.models import Destination, MailjetAccount, Source
from jetbridge.delivery import ledger
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.spec.message import Message, encode


class Joined(NamedTuple):
    row: Destination
    source: Source
    account: MailjetAccount

    def url(self, name: str, *more: Any) -> str:
        return reverse(name, args=[self.row.workspace_id, self.row.id, *more])

    @property
    def reader(self) -> str:
        return destination_consumer(self.row.id)


def join(people: Any, event_log: SqliteEventLog) -> Joined:
    spec = connect.ConnectionSpec(
        workspace=people.workspace.name,
        mailjet_url="http://127.0.0.1:9",  # nobody listens: no page may call
        api_key="public",
        secret_key="private",
        list_id=10234,
        list_name="Customers",
    )
    joined = connect.join(spec)
    row = joined.to_mailjet
    ledger.begin_destination(row.id, row.sources.values_list("id", flat=True), event_log.counts())
    return Joined(row, joined.http_source, joined.account)


def identify(source: Source, user: str, *, ago: float = 0.0, **traits: Any) -> Entry:
    moment = datetime.now(UTC)
    message = Message(
        type="identify",
        message_id=f"m-{user}",
        timestamp=moment,
        received_at=moment,
        user_id=user,
        traits=traits,
    )
    return Entry(source.id, "identify", int((moment.timestamp() - ago) * 1000), encode(message))
