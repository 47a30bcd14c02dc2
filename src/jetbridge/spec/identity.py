"""Who a message is about: every name of a person in it."""

from collections.abc import Iterable
from typing import NamedTuple

from jetbridge.spec.emails import normalise, spellings, written
from jetbridge.spec.message import Message
from jetbridge.spec.person import addresses


class Identity(NamedTuple):
    """What a person is known by: ids (userId, anonymousId), and addresses, each in every spelling that names it.

    With another spelling of its domain an address may stand in raw records and in what earlier versions stored.
    """

    users: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()

    @classmethod
    def of(cls, users: Iterable[str], emails: Iterable[str]) -> "Identity":
        """Addresses in any spelling; what is none is left out."""
        return cls(frozenset(users), frozenset(each for email in emails for each in _names(email)))

    @classmethod
    def of_name(cls, name: str) -> "Identity":
        """From what somebody typed: a userId, and an address if it reads like one."""
        return cls.of([name], [name])

    def __or__(self, other: object) -> "Identity":
        if not isinstance(other, Identity):
            return NotImplemented
        return Identity(self.users | other.users, self.emails | other.emails)

    def meets(self, other: "Identity") -> bool:
        """Whether they have a name in common."""
        return not (self.users.isdisjoint(other.users) and self.emails.isdisjoint(other.emails))


def identity_of(message: Message) -> Identity:
    ids = [each for each in (message.user_id, message.anonymous_id, message.previous_id) if each]
    # An email event of somebody without a userId has the address as anonymousId.
    emails = [each for each in ids if "@" in each or not each.isascii()]
    emails += addresses(message)
    return Identity.of(ids, emails)


def _names(text: str) -> list[str]:
    """The address in both spellings of its domain, and as it was written."""
    address = normalise(text)
    if address is None:
        return []
    if address == text:
        return spellings(address)
    return [*spellings(address), *({written(text)} - {address})]
