"""Who a message is about: every name of a person in it."""

from typing import NamedTuple

from jetbridge.spec.emails import normalise
from jetbridge.spec.message import Message


class Identity(NamedTuple):
    """What a person is known by: ids (userId, anonymousId), and addresses in their one spelling."""

    users: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()

    @classmethod
    def of_name(cls, name: str) -> "Identity":
        """From what somebody typed: a userId, and an address if it reads like one."""
        email = normalise(name)
        return cls(frozenset({name}), frozenset({email} if email else ()))

    def __or__(self, other: object) -> "Identity":
        if not isinstance(other, Identity):
            return NotImplemented
        return Identity(self.users | other.users, self.emails | other.emails)

    def meets(self, other: "Identity") -> bool:
        """Whether they have a name in common."""
        return not (self.users.isdisjoint(other.users) and self.emails.isdisjoint(other.emails))


def identity_of(message: Message) -> Identity:
    ids = (message.user_id, message.anonymous_id, message.previous_id)
    context = message.context or {}
    # An email event of somebody without a userId has the address as anonymousId.
    emails = [normalise(each) for each in ids if each and "@" in each]
    emails += [
        normalise(part["email"])
        for part in (message.traits, message.properties, context.get("traits"))
        if isinstance(part, dict) and "email" in part
    ]
    return Identity(frozenset(filter(None, ids)), frozenset(filter(None, emails)))
