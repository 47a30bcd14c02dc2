"""The configuration as the endpoints and the worker need it: plain values, loaded in a few queries."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from jetbridge.control.models import (
    AppConnection,
    Credential,
    CredentialKind,
    Destination,
    MailjetAccount,
    SchemaBlock,
    Source,
)
from jetbridge.spec.person import UNSUBSCRIBED

#: The setting by which a destination names the trait that carries consent.
CONSENT_SETTING = "unsubscribedTrait"


@dataclass(frozen=True)
class SourceRef:
    id: int
    kind: str
    name: str


@dataclass(frozen=True)
class Credentials:
    """Who may send messages: a source by the digest of its write key, authentication key or events token."""

    by_write_key_digest: dict[str, SourceRef] = field(default_factory=dict)
    by_authentication_key_digest: dict[str, SourceRef] = field(default_factory=dict)
    by_events_token_digest: dict[str, SourceRef] = field(default_factory=dict)
    #: Source id -> the plain authentication keys that are good for its app connection: secrets of X-Signature.
    authentication_keys: dict[int, list[str]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class DestinationRef:
    """A destination. `secrets` never leave it: repr() does not show them."""

    id: int
    workspace: int
    kind: str
    name: str
    source_kinds: dict[int, str]
    settings: dict[str, Any]
    secrets: dict[str, str] = field(repr=False)
    #: The traits that carry consent at any destination of the workspace.
    consent_traits: frozenset[str] = frozenset({UNSUBSCRIBED})
    #: Source id -> what is blocked there: call type, event, name (`SchemaBlock`).
    blocks: dict[int, list[tuple[str, str, str]]] = field(default_factory=dict)
    #: That of the workspace.
    time_zone: str = "UTC"


@dataclass(frozen=True)
class AccountRef:
    id: int
    workspace: int
    name: str
    api_url: str
    api_key: str
    secret_key: str = field(repr=False)
    events_token: str = field(repr=False)
    event_source: int


def valid_credentials() -> QuerySet[Credential]:
    """The current ones, and those of before while their grace period lasts; the current one of a source first."""
    rows = Credential.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    return rows.order_by("source_id", "-id")


def connections_of(key_digest: str) -> QuerySet[AppConnection]:
    """The app connection that an authentication key is valid for: one or none."""
    return AppConnection.objects.filter(
        source__in=valid_credentials().filter(digest=key_digest).order_by().values("source_id")
    )


def load_credentials() -> Credentials:
    sources = {row.id: SourceRef(row.id, row.kind, row.name) for row in Source.objects.filter(enabled=True)}
    by_kind: dict[str, dict[str, SourceRef]] = {kind: {} for kind in CredentialKind.values}
    valid = valid_credentials()
    for source, kind, digest in valid.values_list("source_id", "kind", "digest"):
        if source in sources:
            by_kind[kind][digest] = sources[source]
    keys: dict[int, list[str]] = {}
    for source, key in valid.filter(kind=CredentialKind.AUTHENTICATION_KEY).values_list(
        "source_id", "secret"
    ):
        if source in sources:
            keys.setdefault(source, []).append(key)
    return Credentials(
        by_kind[CredentialKind.WRITE_KEY],
        by_kind[CredentialKind.AUTHENTICATION_KEY],
        by_kind[CredentialKind.EVENTS_TOKEN],
        keys,
    )


def load_destinations(kinds: Collection[str] | None = None) -> list[DestinationRef]:
    """Those that are enabled, of these kinds or of all."""
    rows = Destination.objects.filter(enabled=True)
    return _destinations(rows if kinds is None else rows.filter(kind__in=kinds))


def all_destinations() -> list[DestinationRef]:
    """Of all workspaces, enabled or not."""
    return _destinations(Destination.objects.all())


def destinations_of(workspace: int) -> list[DestinationRef]:
    """All of a workspace, enabled or not."""
    return _destinations(Destination.objects.filter(workspace_id=workspace))


def destination(id_: int) -> DestinationRef | None:
    """One, enabled or not."""
    return next(iter(_destinations(Destination.objects.filter(id=id_))), None)


#: One row per source of the destination and what is blocked there; none of one that is disabled or gone. Secrets stay encrypted.
DESTINATION_VERSION = """
SELECT d.settings, d.secrets, w.time_zone, s.source_id, b.type, b.event, b.name
FROM control_destination d
JOIN control_workspace w ON w.id = d.workspace_id
LEFT JOIN control_destination_sources s ON s.destination_id = d.id
LEFT JOIN control_schemablock b ON b.source_id = s.source_id
WHERE d.id = %s AND d.enabled
ORDER BY s.source_id, b.id
"""
#: What every destination of its workspace, itself included, names as the trait that carries consent.
CONSENT_VERSION = """
SELECT JSON_EXTRACT(o.settings, '$.unsubscribedTrait')
FROM control_destination d
JOIN control_destination o ON o.workspace_id = d.workspace_id
WHERE d.id = %s
ORDER BY o.id
"""


def destination_version(id_: int) -> object:
    """Differs once what a destination is set to has changed, or what its workspace takes for consent. Costs some 50 µs."""
    with connection.cursor() as cursor:
        cursor.execute(DESTINATION_VERSION, [id_])
        rows = cursor.fetchall()
        cursor.execute(CONSENT_VERSION, [id_])
        return rows, {trait for (trait,) in cursor.fetchall() if trait}


def consent_traits(workspaces: Collection[int]) -> dict[int, frozenset[str]]:
    """By workspace: the traits that carry consent at any of its destinations, enabled or not."""
    rows = Destination.objects.filter(workspace_id__in=workspaces).values_list("workspace_id", "settings")
    traits = {workspace: {UNSUBSCRIBED} for workspace in workspaces}
    for workspace, settings in rows:
        if trait := settings.get(CONSENT_SETTING):
            traits[workspace].add(str(trait))
    return {workspace: frozenset(names) for workspace, names in traits.items()}


def _destinations(rows: QuerySet[Destination]) -> list[DestinationRef]:
    destinations = list(rows.order_by("id").select_related("workspace").prefetch_related("sources"))
    traits = consent_traits({row.workspace_id for row in destinations})
    blocks: dict[int, list[tuple[str, str, str]]] = {}
    for block in SchemaBlock.objects.filter(source__workspace__in=traits).order_by("id"):
        blocks.setdefault(block.source_id, []).append((block.type, block.event, block.name))
    return [
        DestinationRef(
            id=row.id,
            workspace=row.workspace_id,
            kind=row.kind,
            name=row.name,
            source_kinds={source.id: source.kind for source in row.sources.all()},
            settings=row.settings,
            secrets=json.loads(row.secrets),
            consent_traits=traits[row.workspace_id],
            blocks={source.id: blocks[source.id] for source in row.sources.all() if source.id in blocks},
            time_zone=row.workspace.time_zone,
        )
        for row in destinations
    ]


def load_accounts() -> list[AccountRef]:
    return _accounts(MailjetAccount.objects.order_by("id"))


def custom_id_is_user_id(account: int) -> bool:
    """Whether the senders of a Mailjet account put the userId into the CustomID of each message."""
    return MailjetAccount.objects.filter(id=account, custom_id_is_user_id=True).exists()


def custom_id_sources(workspace: int) -> set[int]:
    """The sources of email events whose CustomID is the userId."""
    rows = MailjetAccount.objects.filter(workspace_id=workspace, custom_id_is_user_id=True)
    return set(rows.values_list("event_source_id", flat=True))


def account_of_authentication_key(key_digest: str) -> AccountRef | None:
    """The Mailjet account behind an authentication key; None if the key is not (or no longer) one of ours. One query."""
    connections = connections_of(key_digest)
    return next(iter(_accounts(MailjetAccount.objects.filter(app_connections__in=connections))), None)


def _accounts(rows: QuerySet[MailjetAccount]) -> list[AccountRef]:
    """One query, their events tokens included."""
    current = Credential.objects.filter(source=OuterRef("event_source"), expires_at=None)
    return [
        AccountRef(
            id=row.id,
            workspace=row.workspace_id,
            name=row.name,
            api_url=row.api_url,
            api_key=row.api_key,
            secret_key=row.secret_key,
            events_token=row.current_token,
            event_source=row.event_source_id,
        )
        for row in rows.annotate(current_token=Subquery(current.values("secret")[:1]))
    ]
