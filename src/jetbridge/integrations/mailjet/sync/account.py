"""One Mailjet account at work: its client, its property types, and the circuits of its contacts lists."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import Destination
from jetbridge.delivery.retry import RetryDeadline
from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.errors import ListsRejected, NotFound
from jetbridge.integrations.mailjet.contacts import replaced_lists
from jetbridge.integrations.mailjet.contacts.pending import Pending
from jetbridge.integrations.mailjet.sync.list_circuit import ListCircuit, ListCircuits, ListGone
from jetbridge.integrations.mailjet.sync.property_types import PropertyTypes


class ListUnknown(PermanentError):
    """A list is not there that a call named."""


class ListReplaced(TransientError):
    """A list is not there, and the destination of the messages that waited for it has another one."""


def _nobody(_: ListCircuit) -> Collection[str]:
    return ()


@dataclass
class Account:
    """Used by the reconcile thread of the account alone."""

    id: int
    client: MailjetClient
    types: PropertyTypes
    now: Callable[[], int]
    circuits: ListCircuits

    @classmethod
    def of(
        cls,
        ref: AccountRef,
        now: Callable[[], int],
        *,
        retry_seconds: float = RetryDeadline.limit_seconds,
        readers: Callable[[ListCircuit], Collection[str]] = _nobody,
    ) -> "Account":
        """`readers` names those that a circuit's trouble holds."""
        client = MailjetClient(ref.api_url, ref.api_key, ref.secret_key)
        return cls(ref.id, client, PropertyTypes(client), now, ListCircuits(now, retry_seconds, readers))

    def list_trouble(self, list_id: int, error: PermanentError, waiting: Iterable[Pending]) -> DeliveryError:
        """What a refusal of a call for a list means. If the list is gone: another one for the messages of
        destinations that have been given one, a hold of the destinations that are still set to it, else a failure of
        the messages that wait for it: nobody would see that they wait.
        """
        if not isinstance(error, NotFound | ListsRejected):
            return error
        if replaced_lists.learn(self.id, list_id, waiting):
            return ListReplaced(
                error.code, "The messages go to the list that their destination is set to now."
            )
        if Destination.objects.filter(enabled=True, settings__listId=str(list_id)).exists():
            return ListGone(
                "LIST_NOT_FOUND",
                f"The contacts list {list_id} is not there any more. Choose another list, or restore it in Mailjet.",
                status=error.status,
                answer=error.answer,
            )
        return ListUnknown(
            "LIST_NOT_FOUND",
            f"Mailjet has no contacts list {list_id}, which the call was for.",
            status=error.status,
            answer=error.answer,
        )
