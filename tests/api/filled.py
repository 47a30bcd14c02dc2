"""A workspace with one of everything, and somebody who calls the API there."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.test import Client
from tests.engage.stored import Store

from jetbridge.control import membership
from jetbridge.control.alerts import Alert, AlertRule
from jetbridge.control.audit import Actor
from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Source, Workspace
from jetbridge.control.people import ApiToken, AuditEntry, Membership, Role, User
from jetbridge.control.secret_field import digest
from jetbridge.delivery import ledger, replay
from jetbridge.delivery.base import DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import DeliveryRecordRow, PauseRow, destination_consumer
from jetbridge.engage.models import ComputationClass
from jetbridge.eventlog.base import Entry, PositionRange
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.imports import changes
from jetbridge.imports.files.options import Options
from jetbridge.imports.models import Import, State
from jetbridge.integrations.mailjet import accounts, key_rotation
from jetbridge.integrations.mailjet.models import Backfill, TraitName
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.privacy import erasure
from jetbridge.services import computations, new_destinations
from jetbridge.source_schema.models import NameRow
from jetbridge.spec.message import Message, encode
from jetbridge.spec.person import Identity

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
#: Nobody answers there.
NOBODY = "http://127.0.0.1:9"


@dataclass
class Filled:
    """`ids` are what paths name; `call` presents an owner's token of the workspace."""

    workspace: Workspace
    ids: dict[str, Any]
    secret: str
    #: What no answer may hold.
    secrets: list[str]

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return Client().generic(
            method,
            f"/api/v1/{path.format(**self.ids)}",
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body),
            content_type="application/json",
            query_params=query,
            headers={"authorization": f"Bearer {self.secret}"},
        )

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.content
        return answer.json()


def message(name: str) -> bytes:
    return encode(
        Message(
            type="identify",
            message_id=f"m-{name}",
            timestamp=NOON,
            received_at=NOON,
            user_id=f"u-{name}",
            traits={"email": f"{name}@example.com"},
            settings={"apiKey": f"key in a message of {name}"},
        )
    )


def token_of(workspace: Workspace, owner: User, secret: str) -> ApiToken:
    return ApiToken.objects.create(
        workspace=workspace, user=owner, name="deploy", role=Role.OWNER, digest=digest(secret), ending="oken"
    )


def fill(
    log: SqliteEventLog,
    workspace: Workspace,
    owner: User,
    mailjet: tuple[str, str, str] | None = None,
) -> Filled:
    """`mailjet`: address and key pair of one that answers."""
    name = workspace.name.lower()
    account = accounts.add_account(workspace, *(mailjet or (NOBODY, f"{name}-api-key", f"{name}-secret")))
    connection = accounts.connect_list(account, 10_001, f"Customers of {name}")
    values = {"apiKey": connection.authentication_key, "listId": "10001"}
    row = new_destinations.add(log, workspace, "mailjet", "Mailjet", values, sources=[connection.source])
    key_rotation.rotate(connection, timedelta(hours=1))
    position = _delivered(log, row, connection, name)
    token = token_of(workspace, owner, f"token of {name}")
    counted = {"after": 0, "upto": position, "source": None, "messages": 1}
    rule = AlertRule.objects.create(workspace=workspace, kind="pause", webhook_url=f"{NOBODY}/{name}/hook")
    ids = {
        "source": connection.source_id,
        "position": position,
        "account": account.id,
        "connection": connection.id,
        "destination": row.id,
        "warehouse": workspace.destinations.create(
            name=f"Tables of {name}", kind="warehouse", enabled=False
        ).id,
        "failure": DeliveryRecordRow.objects.get(destination_id=row.id).id,
        "task": tasks.request(row.id, "plan").id,
        "count": _ended(tasks.request(row.id, "count").id, counted),
        "replay": replay.request(row.id, PositionRange(0, position), None, 1).id,
        "receipt": erasure.request(workspace.id, Identity.of_name(f"gone-from-{name}")).id,
        "backfill": Backfill.objects.create(account=account, since=NOON, until=NOON, messages=5).id,
        **_people(workspace, owner, name),
        "token": token.id,
        "rule": rule.id,
        "upload": _uploaded(connection.source, name).id,
        **_engaged(workspace, name),
    }
    _history(workspace, row, rule, name)
    return Filled(workspace, ids, f"token of {name}", _secrets(account, connection, rule, name))


def _engaged(workspace: Workspace, name: str) -> dict[str, Any]:
    """An audience and a computed trait, and the person who is in both."""
    actor = Actor(workspace, None, "a test")
    definition: dict[str, Any] = {"event": f"Ordered {name}", "within": "30d"}
    audience = computations.create(actor, ComputationClass.AUDIENCE, f"Buyers of {name}", definition).row
    definition = {"computed": "event_counter", "event": f"Ordered {name}"}
    trait = computations.create(actor, ComputationClass.TRAIT, f"Orders of {name}", definition).row
    AuditEntry.objects.filter(workspace=workspace).delete()
    stored = Store(settings.CONFIG.home, workspace.id)
    person = stored.person(f"user_id:u-{name}", f"email:{name}@example.com", traits={"of": name})
    stored.happened(person, f"Ordered {name}", 1, shop=name)
    stored.members(audience.key, person)
    stored.value(trait.key, person, 1)
    stored.close()
    return {"audience": audience.id, "computed_trait": trait.id, "identifier": f"user_id:u-{name}"}


def _delivered(log: SqliteEventLog, row: Destination, connection: AppConnection, name: str) -> int:
    """One message, which failed; where it is in the log."""
    source = connection.source_id
    log.append([Entry(source, "identify", 1_000, message(name))])
    position = log.counts().end
    failed = DeliveryRecord(
        "failed", "INVALID_EMAIL", f"No address of {name}.", position, 1, f"m-{name}", name, "", ""
    )
    counts = DeliveryCounts(delivery_records=[failed])
    counts.failed["INVALID_EMAIL"] += 1
    with ledger.commit(row.id, position, {source: 1}, counts):
        pass
    return position


def _uploaded(source: Source, name: str) -> Import:
    """A file that the worker has read."""
    row = changes.upload(source, f"{name}.csv", [f"email\nada@{name}.example\n".encode()], Options())
    row.state, row.about = State.READY, json.dumps({"kind": "csv", "rows": 1, "calls": [{"userId": name}]})
    row.save()
    return row


def _ended(task: int, result: dict[str, Any]) -> int:
    rows = Task.objects.filter(id=task)
    rows.update(ended_at=NOON, result=json.dumps({"let_through": 1, "by_type": {}, **result}))
    return task


def _people(workspace: Workspace, owner: User, name: str) -> dict[str, int]:
    user = User.objects.create_user(f"new@{name}.example", None, f"New of {name}")
    member = Membership.objects.create(user=user, workspace=workspace, role=Role.VIEWER)
    invitation, _ = membership.invite(workspace, f"guest@{name}.example", Role.VIEWER, owner)
    return {"member": member.id, "invitation": invitation.id}


def _history(workspace: Workspace, row: Destination, rule: AlertRule, name: str) -> None:
    PauseRow.objects.create(
        consumer=destination_consumer(row.id), code="FORBIDDEN", reason=f"By {name}.", began_at=NOON
    )
    alert = Alert.objects.create(
        workspace=workspace,
        rule=rule,
        kind="pause",
        thing=f"destination:{row.id}",
        name=row.name,
        message=name,
    )
    alert.notifications.create(channel="webhook")
    for source in row.sources.all():
        NameRow.objects.create(
            source_id=source.id, type="identify", event="", name=f"of {name}", total=1, kinds=1,
            first_at=1, last_at=1,
        )  # fmt: skip
    TraitName.objects.create(destination_id=row.id, trait=f"trait of {name}", property="x")


def _secrets(account: MailjetAccount, connection: AppConnection, rule: AlertRule, name: str) -> list[str]:
    return [
        account.secret_key,
        account.events_token,
        connection.authentication_key,
        *(row.secret for row in connection.source.credentials.exclude(expires_at=None)),
        rule.webhook_secret,
        f"/{name}/hook",
        f"key in a message of {name}",
        f"token of {name}",
    ]
