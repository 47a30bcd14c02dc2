"""Every command that changes something writes exactly one entry into the audit log, which names the command."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connections
from tests.command_tree import leaves

from jetbridge.control import people
from jetbridge.control.models import Destination, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import ConsumerOffset, destination_consumer
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.spec.message import Message, encode

if TYPE_CHECKING:
    from conftest import Jetbridge

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
AUDIENCE = json.dumps({"event": "Order Completed", "within": "30d"})
TRAIT = json.dumps({"computed": "event_counter", "event": "Order Completed"})
IDENTIFY = encode(
    Message(
        type="identify",
        message_id="m-1",
        timestamp=NOON,
        received_at=NOON,
        user_id="u1",
        traits={"email": "u1@example.com"},
    )
)
CALL = json.dumps({"type": "track", "event": "Order Completed", "userId": "u1"})

#: Commands that change nothing of a workspace.
CHANGING_NOTHING = {
    *("serve", "web", "worker", "sandbox", "demo", "doctor", "status", "completion"),
    *("sources list", "sources blocks", "workspaces list", "admin backup"),
    *("destinations list", "destinations preview"),
    *("contacts diff", "contacts show", "messages list", "messages rejected", "messages trace"),
    *("people show", "people export"),
    *(f"{noun} {verb}" for noun in ("audiences", "traits") for verb in ("explain", "list", "members", "preview", "show")),
    *("warehouse queries", "warehouse rejected", "warehouse runs", "warehouse tables"),
    "send",  # its calls enter like those of any sender
    "admin restore",  # puts the audit log of the backup in the place of this one
}  # fmt: skip


class Shop:
    """`run` runs a command that has to write one entry per action."""

    def __init__(self, jetbridge: "Jetbridge") -> None:
        self._jetbridge = jetbridge
        self.audited: set[str] = set()

    def run(
        self,
        command: str,
        *arguments: str,
        stdin: str = "",
        by: "Jetbridge | None" = None,
        status: int = 0,
        actions: int = 1,
    ) -> None:
        last = AuditEntry.objects.order_by("id").last()
        done = (by or self._jetbridge)(*command.split(), *arguments, stdin=stdin)
        assert done.status == status, (command, done.err, done.out)
        entries = AuditEntry.objects.filter(id__gt=last.id if last else 0)
        written = [(entry.who, entry.user) for entry in entries]
        assert written == [(f"jetbridge {command}", None)] * actions, arguments
        self.audited.add(command)


def test_every_command_that_changes_something_is_audited_once(
    jetbridge: "Jetbridge",
    own_process: "Jetbridge",
    mailjet: str,
    receiver: Any,
    event_log: SqliteEventLog,
) -> None:
    shop = Shop(jetbridge)
    keys = ("--mailjet-url", mailjet, "--api-key", "public", "--secret-key", "private")
    shop.run("setup", *keys, "--list", "Customers", "--create-list")
    _change_sources(shop)
    _change_destinations(shop, receiver.url)
    _deliver(shop, event_log)
    _mail(MailjetClient(mailjet, "public", "private"))
    shop.run("destinations backfill", "--yes")
    shop.run("destinations backfill", "--cancel", "1")
    _change_engage(shop)
    shop.run("workspaces set", "--time-zone", "Europe/Paris")
    _change_people(shop)
    shop.run("contacts verify", "--repair")
    _change_the_installation(shop, own_process, event_log)
    assert shop.audited == {typed.removeprefix("jetbridge ") for typed in leaves()} - CHANGING_NOTHING


def _change_sources(shop: Shop) -> None:
    shop.run("sources block", "HTTP API", "track", "--event", "Spam")
    shop.run("sources unblock", "HTTP API", "track", "--event", "Spam")
    shop.run("sources add", "App")
    shop.run("sources rotate-key", "App", "--yes")
    shop.run("sources delete", "App", "--yes", actions=2)  # it is disabled first


def _change_destinations(shop: Shop, url: str) -> None:
    shop.run("destinations add", "webhook", f"url={url}", "--source", "HTTP API", "--name", "Hook")
    shop.run("destinations set", "Hook", "--name", "Webhook")
    shop.run("destinations test", "Webhook", "-", stdin=CALL)
    shop.run("destinations disable", "Webhook")
    shop.run("destinations enable", "Webhook")
    shop.run("destinations delete", "Webhook", "--yes")
    shop.run("destinations add", "warehouse", "schedule=daily", "--source", "all", "--name", "Tables")
    shop.run("destinations sync", "Tables")
    shop.run("destinations delete", "Tables", "--yes")


def _deliver(shop: Shop, event_log: SqliteEventLog) -> None:
    """A message that failed, and a destination that is paused."""
    row = Destination.objects.get()
    reader, source = destination_consumer(row.id), row.workspace.sources.get(name="HTTP API").id
    event_log.append([Entry(source, "identify", 1_000, IDENTIFY)])
    end = event_log.counts().end
    counts = DeliveryCounts()
    counts.fail(DeliveryRecord(FAILED, "REFUSED", "No.", end, 1, "m-1", "u1", "", ""))
    with ledger.commit(row.id, end, {source: 1}, counts, event_log.place(end)):
        pass
    shop.run("destinations retry", "--all", "--yes")
    shop.run("destinations replay", str(row.id), "--yes")
    shop.run("destinations replay", "--cancel", "1")
    pauses.pause(reader, "FORBIDDEN", "The keys are refused.")
    shop.run("destinations resume", str(row.id))


def _mail(client: MailjetClient) -> None:
    """A message whose events Mailjet keeps."""
    (customers,) = client.contactslists()
    client.managecontact(customers.id, {"Email": "u1@example.com", "Action": "addforce"})
    body = {"list_id": customers.id, "subject": "News", "open": 1}
    client._transport.call("POST", "/sandbox/campaigns", body=body)


def _change_engage(shop: Shop) -> None:
    shop.run("workspaces set", "--engage", "on")
    for noun, definition in (("audiences", AUDIENCE), ("traits", TRAIT)):
        shop.run(f"{noun} add", f"Orders in {noun}", "--definition", "-", stdin=definition)
        shop.run(f"{noun} set", f"Orders in {noun}", "--name", "All orders")
        shop.run(f"{noun} delete", "All orders", "--yes")


def _change_people(shop: Shop) -> None:
    shop.run("people delete", "u9", "--yes", "--wait", "0", status=1)  # no worker carries it out
    shop.run("people delete", "u9", "--lift")
    user = people.User.objects.create_user("olga@example.com", None, "Olga")
    Workspace.objects.get().memberships.create(user=user, role=people.Role.OWNER)
    shop.run("users reset-password", "olga@example.com")
    shop.run("users add", "eve@example.com")


def _change_the_installation(shop: Shop, own_process: "Jetbridge", event_log: SqliteEventLog) -> None:
    connections.close_all()
    event_log.close()
    shop.run("admin recover-log", "--yes", by=own_process)
    ConsumerOffset.objects.update(log="another one", mark="")
    shop.run("admin reset-positions", "--to", "earliest", "--yes")
