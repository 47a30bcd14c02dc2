"""One Mailjet account at work: its client, its property types, and what its destinations depend on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import Destination
from jetbridge.delivery.breaker import Breaker
from jetbridge.destinations.mailjet.property_types import PropertyTypes
from jetbridge.errors import DeliveryError, HoldError, PermanentError
from jetbridge.mailjet.client import MailjetClient
from jetbridge.mailjet.errors import ListsRefused, NotFound


class ListGone(HoldError):
    """The list that a destination is set to is not there: that destination is held, no other."""

    list_id: int


class ListUnknown(PermanentError):
    """A list is not there that a call named, or that a destination was set to before."""

    list_id: int


@dataclass
class Account:
    """Used by the reconcile thread of the account alone."""

    id: int
    client: MailjetClient
    types: PropertyTypes
    now: Callable[[], int]
    breaker: Breaker = field(default_factory=Breaker)
    #: Lists of destinations that were not there when last asked.
    gone: dict[int, ListGone] = field(default_factory=dict)

    @classmethod
    def of(cls, ref: AccountRef, now: Callable[[], int]) -> "Account":
        client = MailjetClient(ref.api_url, ref.api_key, ref.secret_key)
        return cls(ref.id, client, PropertyTypes(client), now)

    def list_trouble(self, lists: Sequence[int], error: PermanentError) -> DeliveryError:
        """What a refusal of a call for these lists means. If one is gone: a hold of the destinations that are
        set to it, else a failure of the messages that wait for it: nobody would see that they wait.
        """
        if not isinstance(error, NotFound | ListsRefused):
            return error
        list_id = _refused(lists, error)
        if Destination.objects.filter(enabled=True, settings__listId=str(list_id)).exists():
            gone = ListGone(
                "LIST_NOT_FOUND",
                f"The contacts list {list_id} is not there any more. Choose another list, or restore it in Mailjet.",
                status=error.status,
                answer=error.answer,
            )
            gone.list_id = list_id
            self.gone[list_id] = gone
            return gone
        unknown = ListUnknown(
            "LIST_NOT_FOUND",
            f"Mailjet has no contacts list {list_id}, which the call was for.",
            status=error.status,
            answer=error.answer,
        )
        unknown.list_id = list_id
        return unknown

    def lists_work(self, lists: Iterable[int]) -> None:
        """Mailjet took a call for these lists."""
        for list_id in lists:
            self.gone.pop(list_id, None)


def _refused(lists: Sequence[int], error: NotFound | ListsRefused) -> int:
    """The list that Mailjet names; of a call for one list it names none."""
    named = error.lists if isinstance(error, ListsRefused) else {}
    return next((list_id for list_id in lists if list_id in named), lists[0])
