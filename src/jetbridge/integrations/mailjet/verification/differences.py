"""What may differ between a contact's state and what Mailjet holds, and how the state is mended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.state import Delivered

MISSING = "missing"
PROPERTY = "property"
NAME = "name"
NOT_ON_LIST = "not_on_list"
SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
EXCLUDED = "excluded"
UNREADABLE = "unreadable"

#: How much of a value is shown.
SHOWN_CHARACTERS = 60


class Difference(NamedTuple):
    """`about` is the property or the list, if it is about one.

    `mend` makes of what we thought delivered what really is there. None: it is the person's own word, which is
    learned and never undone.
    """

    kind: str
    email: str
    about: str
    sentence: str
    mend: Callable[[Delivered], None] | None = None

    @property
    def is_own_word(self) -> bool:
        return self.kind in {UNSUBSCRIBED, EXCLUDED}

    def as_object(self) -> dict[str, str]:
        """As plain values; the keys are a promise to scripts."""
        return {"kind": self.kind, "email": self.email, "about": self.about, "sentence": self.sentence}


@dataclass
class Comparison:
    """`opt_outs` are to be learned; `rejected` counts values that Mailjet's Datatypes refuse."""

    differences: list[Difference] = field(default_factory=list)
    opt_outs: list[OptOut] = field(default_factory=list)
    rejected: int = 0


def missing(email: str) -> Difference:
    def mend(delivered: Delivered) -> None:
        delivered.values, delivered.lists, delivered.name = {}, {}, None

    return Difference(MISSING, email, "", "Mailjet has no such contact.", mend)


def of_property(email: str, name: str, wanted: Any, held: Any) -> Difference:
    def mend(delivered: Delivered) -> None:
        delivered.values.pop(name, None)
        if wanted is None:
            delivered.values[name] = held

    if held is None:
        sentence = f"Property {name} is not set; it should be {_shown(wanted)}."
    elif wanted is None:
        sentence = f"Property {name} is {_shown(held)}; it should not be set."
    else:
        sentence = f"Property {name} is {_shown(held)}; it should be {_shown(wanted)}."
    return Difference(PROPERTY, email, name, sentence, mend)


def of_name(email: str, wanted: str, held: str) -> Difference:
    def mend(delivered: Delivered) -> None:
        delivered.name = held or None

    return Difference(NAME, email, "", f"Its Name is {_shown(held)}; it should be {_shown(wanted)}.", mend)


def of_subscription(kind: str, email: str, list_id: int, sentence: str, held: str | None) -> Difference:
    """`held` is the action that would have led to what is there; None: it is not on the list."""

    def mend(delivered: Delivered) -> None:
        delivered.lists.pop(list_id, None)
        if held:
            delivered.lists[list_id] = held

    return Difference(kind, email, str(list_id), sentence, mend)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
