"""Credentials of sources: write keys, authentication keys and events tokens, which are rotated with a grace period.

Until it ends both are valid, so that nobody has to replace a key everywhere in the same second: at the endpoints, as secrets of
X-Signature, and in the settings of destinations.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from jetbridge.control.models import Credential, Source


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
