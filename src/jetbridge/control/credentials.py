"""Credentials of sources: write keys, authentication keys and events tokens, which are rotated with a grace period.

Until it ends both are valid, so that nobody has to replace a key everywhere in the same second: at the endpoints, as secrets of
X-Signature, and in the settings of destinations.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from jetbridge.control.models import AppConnection, Credential, Source


def valid() -> QuerySet[Credential]:
    """The current ones, and those of before while their grace period lasts; the current one of a source first."""
    rows = Credential.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    return rows.order_by("source_id", "-id")


@transaction.atomic
def rotate(source: Source, grace: timedelta) -> str:
    """Make a new one and return it. The current one is valid for `grace` longer, and the one before it no more."""
    current = source.credentials.get(expires_at=None)
    source.credentials.exclude(expires_at=None).delete()
    if grace:
        Credential.objects.filter(id=current.id).update(expires_at=timezone.now() + grace)
    else:
        current.delete()
    return source.credentials.create(kind=current.kind).secret


def end_grace(source: Source) -> bool:
    """The previous one is valid no longer; False if there is none."""
    ended, _ = source.credentials.exclude(expires_at=None).delete()
    return bool(ended)


def connections_of(key_digest: str) -> QuerySet[AppConnection]:
    """The app connection that an authentication key is valid for: one or none."""
    return AppConnection.objects.filter(
        source__in=valid().filter(digest=key_digest).order_by().values("source_id")
    )
