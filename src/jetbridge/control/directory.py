"""The configuration as the doors and the worker need it: plain values, loaded in a few queries."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from jetbridge.control import authentication_keys
from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Source, SourceKind
from jetbridge.control.secret_field import digest


@dataclass(frozen=True)
class SourceRef:
    id: int
    kind: str
    name: str


@dataclass(frozen=True)
class Doors:
    """Who may bring messages: a source by write key, by authentication key or by events token (digests)."""

    by_write_key: dict[str, SourceRef] = field(default_factory=dict)
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


def load_doors() -> Doors:
    sources = {row.id: SourceRef(row.id, row.kind, row.name) for row in Source.objects.filter(enabled=True)}
    keys = {
        row.source_id: authentication_keys.good_keys(row)
        for row in AppConnection.objects.filter(source_id__in=sources)
    }
    accounts = MailjetAccount.objects.filter(event_source_id__in=sources)
    return Doors(
        {
            row.write_key: sources[row.id]
            for row in Source.objects.filter(kind=SourceKind.HTTP, id__in=sources)
        },
        {digest(key): sources[source] for source, good in keys.items() for key in good},
        {row.events_token_digest: sources[row.event_source_id] for row in accounts},
        keys,
    )


def load_destinations() -> list[DestinationRef]:
    """Those that are enabled."""
    return _destinations(Destination.objects.filter(enabled=True))


def destinations_of(workspace: int) -> list[DestinationRef]:
    """All of a workspace, enabled or not."""
    return _destinations(Destination.objects.filter(workspace_id=workspace))


def destination(id_: int) -> DestinationRef | None:
    """One, enabled or not."""
    return next(iter(_destinations(Destination.objects.filter(id=id_))), None)


def _destinations(rows: QuerySet[Destination]) -> list[DestinationRef]:
    return [
        DestinationRef(
            id=row.id,
            workspace=row.workspace_id,
            kind=row.kind,
            name=row.name,
            source_kinds={source.id: source.kind for source in row.sources.all()},
            settings=row.settings,
            secrets=json.loads(row.secrets),
        )
        for row in rows.order_by("id").prefetch_related("sources")
    ]


def load_accounts() -> list[AccountRef]:
    return [_account(row) for row in MailjetAccount.objects.order_by("id")]


def account_of_authentication_key(key_digest: str) -> AccountRef | None:
    """The Mailjet account behind an authentication key; None if the key is not (or no longer) one of ours."""
    row = authentication_keys.connections_of(key_digest).select_related("account").first()
    return _account(row.account) if row else None


def _account(row: MailjetAccount) -> AccountRef:
    return AccountRef(
        id=row.id,
        workspace=row.workspace_id,
        name=row.name,
        api_url=row.api_url,
        api_key=row.api_key,
        secret_key=row.secret_key,
        events_token=row.events_token,
        event_source=row.event_source_id,
    )
