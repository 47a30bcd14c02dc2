"""Contacts of a destination as a person looks through them: what a kind with contacts offers to the console.

Everything here is quick with a million contacts: lists go by an index and a key, and what would have to be
counted is counted up to a limit or estimated.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from jetbridge.spec.person import Identity

#: Contacts of one page.
PAGE = 50
#: Up to so many are counted; beyond, "10,000+" says enough.
COUNTED = 10_000


class ContactFilter(StrEnum):
    """Lists of contacts."""

    RECENT = "recent"  # the last that were sent
    DUE = "due"  # in the order in which they will be sent
    IN_JOB = "job"  # carried by a job that has not ended


class ListState(NamedTuple):
    """`desired` and `delivered` are actions, e.g. addnoforce, and what they make of the contact. Times in ms; `since`: when it was requested."""

    list_id: int
    name: str
    desired: str
    delivered: str | None
    since: int
    #: It has unsubscribed from this list, whatever was requested since.
    unsubscribed: bool
    differs: bool
    #: Who is on a list so gets its mail.
    is_subscription: bool = True
    desired_text: str = ""
    delivered_text: str = ""


class PropertyState(NamedTuple):
    """`updated_at` (ms): when the value was set. `rejection`: why it is rejected, empty if it is not."""

    name: str
    desired: Any
    delivered: Any
    updated_at: int
    differs: bool
    rejection: str = ""


class HistoryEntry(NamedTuple):
    """One call or job that sent the contact, what the other side responded, and how many messages it completed."""

    at: int
    by: str
    response: str
    messages: int


@dataclass(frozen=True)
class ContactDetail:
    """Everything known of one contact. Times in ms; 0: not so."""

    email: str
    users: list[str]
    agrees: bool
    lists: list[ListState]
    properties: list[PropertyState]
    history: list[HistoryEntry]
    next_attempt_at: int = 0
    job: int = 0
    synced_at: int = 0
    attempts: int = 0
    messages: int = 0
    to_be_deleted: bool = False
    opted_out: int = 0
    bounced: int = 0
    moved_to: str = ""

    @property
    def differences(self) -> int:
        return sum(state.differs for state in self.lists) + sum(state.differs for state in self.properties)

    @property
    def gets_no_mail(self) -> bool:
        """It is subscribed to no list, or is not to be."""
        return bool(self.lists) and not any(state.is_subscription for state in self.lists)

    @property
    def rejections(self) -> int:
        return sum(bool(state.rejection) for state in self.properties)


class Now(NamedTuple):
    """What the other side holds of a contact at this moment. `places`: where it is subscribed, or not any more.
    `differences`: what it holds otherwise than it should.
    """

    is_there: bool
    places: list[str]
    differences: list[str]


class PersonContacts(NamedTuple):
    """What is known of a person: contacts, and users of whom no address is known yet."""

    contacts: list[ContactDetail]
    without_address: list[str]


class Listed(NamedTuple):
    """One page; `after` is the key of the next, empty at the end."""

    contacts: list[ContactDetail]
    after: str


class Figures(NamedTuple):
    """`contacts` is an estimate unless `exact`. `due` is at most COUNTED + 1. `oldest_due` in ms; 0: none."""

    contacts: int
    exact: bool
    due: int
    oldest_due: int
    in_jobs: int


class OpenJob(NamedTuple):
    id: int
    list_name: str
    contacts: int
    started_at: int


class RejectedValues(NamedTuple):
    """Values of one property that are rejected for one reason; `email` is the last contact's."""

    property: str
    detail: str
    total: int
    email: str
    at: int


class Memberships(NamedTuple):
    """Of some addresses, as far as is known without asking the other side: `contacts`, and `can_join`: those that Engage would
    add to the destination's list, who are not on it and have not refused.
    """

    contacts: set[str]
    can_join: set[str]


class ContactQueries(Protocol):
    """Every method is a fixed number of indexed queries, but for `now`."""

    def figures(self) -> Figures: ...

    def page(self, which: ContactFilter, after: str = "") -> Listed: ...

    def find(self, identity: Identity) -> PersonContacts: ...

    def now(self, email: str) -> Now | None:
        """Ask the other side; None for who is no contact here. Raises DeliveryError."""

    def memberships(self, emails: Collection[str]) -> Memberships:
        """What these addresses are here, each in its one spelling. At most a thousand."""

    def open_jobs(self) -> list[OpenJob]: ...

    def rejected_values(self) -> list[RejectedValues]: ...
