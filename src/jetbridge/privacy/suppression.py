"""Suppression: people of whom a workspace takes no messages any more (Segment docs, "User Deletion").

Only keyed digests are kept: a list of the forgotten must not tell who they are.
"""

import hashlib

from django.conf import settings

from jetbridge.privacy.models import Suppression
from jetbridge.spec.emails import spellings
from jetbridge.spec.message import Message
from jetbridge.spec.person import Identity, identity_of


def digest_of_user(user_id: str) -> str:
    return _digest(f"user:{user_id}")


def digest_of_email(email: str) -> str:
    return _digest(f"email:{email}")


def _digest(text: str) -> str:
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), key=settings.SECRET_KEY.encode()[:64], digest_size=16
    ).hexdigest()


def digests(identity: Identity) -> list[str]:
    return [*map(digest_of_user, sorted(identity.users)), *map(digest_of_email, sorted(identity.emails))]


def suppress(workspace: int, identity: Identity) -> None:
    rows = [Suppression(workspace_id=workspace, digest=digest) for digest in digests(identity)]
    Suppression.objects.bulk_create(rows, ignore_conflicts=True)


def lift(workspace: int, identity: Identity) -> int:
    """Take messages of this person again; return how many of its names were suppressed."""
    gone, _ = Suppression.objects.filter(workspace_id=workspace, digest__in=digests(identity)).delete()
    return gone


class WorkspaceSuppressed:
    """The suppressed of one workspace (`routing.route.Suppressed`)."""

    def __init__(self, workspace: int) -> None:
        self._workspace = workspace
        self._digests: set[str] = set()
        self._version: tuple[int, int] = (0, 0)

    def refresh(self) -> None:
        """Read what is new. One small query if nothing is."""
        rows = Suppression.objects.filter(workspace_id=self._workspace)
        newest = rows.order_by("-id").values_list("id", flat=True).first() or 0
        version = (newest, rows.count())
        if version != self._version:
            self._digests = set(rows.values_list("digest", flat=True))
            self._version = version

    def covers(self, message: Message) -> bool:
        if not self._digests:
            return False
        return any(digest in self._digests for digest in digests(identity_of(message)))

    def covers_email(self, email: str) -> bool:
        """In any spelling of its domain: it may have been suppressed under the other one."""
        return any(digest_of_email(spelling) in self._digests for spelling in spellings(email))
