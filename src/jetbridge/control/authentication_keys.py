"""Authentication keys are rotated with a grace time, so that nobody has to paste a new key in the same second.

Until it ends both keys are good: at the endpoints, as secrets of X-Signature, and in the settings of destinations.
"""

from django.db.models import Q, QuerySet
from django.utils import timezone

from jetbridge.control.models import AppConnection


def good_keys(connection: AppConnection) -> list[str]:
    """The key, and the one before it while its grace time lasts."""
    until = connection.previous_key_until
    previous = [connection.previous_key] if until and until > timezone.now() else []
    return [connection.authentication_key, *previous]


def connections_of(key_digest: str) -> QuerySet[AppConnection]:
    """The app connection that a key is good for: one or none."""
    previous = Q(previous_key_digest=key_digest, previous_key_until__gt=timezone.now())
    return AppConnection.objects.filter(Q(authentication_key_digest=key_digest) | previous)
