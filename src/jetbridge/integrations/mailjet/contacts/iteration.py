"""Walks through all contacts of one account, a page at a time, in flat memory."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import msgspec

from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import Contact, left_out, readable
from jetbridge.integrations.mailjet.contacts.state import Computed
from jetbridge.spec.untrusted import JSON_ERRORS

PAGE = 1_000

#: Lists that calls have named since this process began, by account: the walk through all contacts is seldom made.
_named: dict[int, set[int]] = {}


class _Lists(msgspec.Struct, gc=False):
    """The part of `state.Desired` that names lists."""

    lists: dict[int, tuple[str, int]] = {}
    computed: Computed | None = None
    computed_here: dict[str, Computed] = {}

    def all(self) -> set[int]:
        found = {*self.lists}
        for computed in (self.computed, *self.computed_here.values()):
            if computed:
                found.update(computed.followed, (list_id for _, _, list_id in computed.added.values()))
        return found


_decode_lists = msgspec.json.Decoder(_Lists).decode


def newest(account: int) -> tuple[int, int]:
    """The highest id there is, and how many contacts there are."""
    ((newest_id, total),) = queries.rows(queries.NEWEST_CONTACT, account)
    return newest_id, total


def contacts(
    account: int, upto: int, unreadable: Callable[[int, str, Exception], object] = left_out
) -> Iterator[list[Contact]]:
    """All contacts with ids up to this one. One that cannot be read is left out, and reported (`contact.readable`)."""
    after = 0
    while rows := queries.rows(queries.CONTACTS_PAGE, account, after, upto, PAGE):
        yield readable(rows, unreadable)
        after = rows[-1][0]


def note_lists(account: int, lists: Iterable[int]) -> None:
    """Calls have named these."""
    _named.setdefault(account, set()).update(lists)


def named_lists(account: int) -> frozenset[int]:
    return frozenset(_named.get(account, ()))


def lists_in_use(account: int) -> set[int]:
    """Every list that has an action, be it of an app connection or named by a call."""
    found: set[int] = set()
    after = 0
    while rows := queries.rows(queries.DESIRED_PAGE, account, after, PAGE):
        for _, desired in rows:
            with suppress(ValueError, *JSON_ERRORS):
                found.update(_decode_lists(desired).all())
        after = rows[-1][0]
    return found
