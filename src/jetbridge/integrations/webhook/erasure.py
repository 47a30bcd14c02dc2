"""Has a receiver delete a person: one `delete` call per userId, as Segment sends them to webhooks.

Sent with the erasure and not in the order of the log, so that it comes whoever asked: a `delete` call of Segment, a page or
`jetbridge people delete`. Source of the call's shape: Segment docs, "Webhooks destination" and partner spec (delete).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jetbridge.delivery.models import destination_consumer
from jetbridge.errors import DeliveryError
from jetbridge.integrations.webhook import payload
from jetbridge.integrations.webhook.client import WebhookClient
from jetbridge.integrations.webhook.models import Deletion
from jetbridge.privacy import erasure, suppression
from jetbridge.spec.message import Message
from jetbridge.spec.person import Identity

#: Between two attempts.
WAIT = timedelta(seconds=30)


@dataclass(frozen=True)
class DeletionSender:
    """See `privacy.erasure.ErasureHandler`. `client` raises PauseError where the settings lead nowhere."""

    destination: int
    name: str
    is_enabled: bool
    client: Callable[[], WebhookClient]

    @property
    def readers(self) -> Sequence[str]:
        return (destination_consumer(self.destination),)

    def known(self, identity: Identity) -> Identity:
        return identity

    def erase(self, identity: Identity, now: int) -> None:
        at = datetime.fromtimestamp(now / 1000, UTC)
        for user_id in sorted(identity.users) if self.is_enabled else ():
            Deletion.objects.update_or_create(
                destination_id=self.destination,
                digest=suppression.digest_of_user(user_id),
                defaults={"user_id": user_id, "requested_at": at, "next_attempt_at": at, "sent_at": None},
            )

    def erased(self, identity: Identity) -> str | None:
        """None while the receiver has not taken all of them. Sends those that are due."""
        digests = [suppression.digest_of_user(user_id) for user_id in identity.users]
        rows = Deletion.objects.filter(destination_id=self.destination, digest__in=digests)
        if not rows:
            return self._nothing_sent(identity)
        if not self.is_enabled:
            rows.filter(sent_at=None).delete()
            return self._nothing_sent(identity)
        for row in rows.filter(sent_at=None, next_attempt_at__lte=datetime.now(UTC)):
            try:
                message_id = f"delete-{self.destination}-{row.digest[:32]}"
                message = Message(
                    type="delete",
                    message_id=message_id,
                    user_id=row.user_id,
                    timestamp=row.requested_at,
                    received_at=row.requested_at,
                )
                # As a whole call, whatever map there is: a receiver has to recognise it.
                self.client().send(payload.encode(payload.whole(message)), [message_id])
            except DeliveryError as error:
                rows.filter(id=row.id).update(next_attempt_at=datetime.now(UTC) + WAIT)
                erasure.note_error(row.user_id, error, what=f"{self.name} has not taken the delete call: ")
                return None
            rows.filter(id=row.id).update(sent_at=datetime.now(UTC), user_id="")
        if rows.filter(sent_at=None).exists():
            return None
        return f"{self.name}: the receiver took a delete call for each userId."

    def _nothing_sent(self, identity: Identity) -> str:
        why = "it is disabled" if identity.users and not self.is_enabled else "no userId is known"
        return f"{self.name}: the receiver was sent nothing, because {why}. Have the person deleted there."
