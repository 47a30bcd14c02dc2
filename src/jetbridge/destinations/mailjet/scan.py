"""Walks through all contacts of one account, a page at a time, in flat memory."""

from collections.abc import Iterator

import msgspec

from jetbridge.destinations.mailjet import queries
from jetbridge.destinations.mailjet.contacts import Contact

PAGE = 1_000


class _Lists(msgspec.Struct, gc=False):
    """The part of `state.Desired` that names lists."""

    lists: dict[int, tuple[str, int]] = {}


_decode_lists = msgspec.json.Decoder(_Lists).decode


def newest(account: int) -> tuple[int, int]:
    """The highest id there is, and how many contacts there are."""
    ((newest_id, total),) = queries.rows(queries.NEWEST_CONTACT, account)
    return newest_id, total


def contacts(account: int, upto: int) -> Iterator[list[Contact]]:
    """All contacts with ids up to this one."""
    after = 0
    while rows := queries.rows(queries.CONTACTS_PAGE, account, after, upto, PAGE):
        yield [Contact.of_row(row) for row in rows]
        after = rows[-1][0]


def lists_in_use(account: int) -> set[int]:
    """Every list that anything is wished for, be it of an app connection or named by a call."""
    found: set[int] = set()
    after = 0
    while rows := queries.rows(queries.DESIRED_PAGE, account, after, PAGE):
        for _, desired in rows:
            found.update(_decode_lists(desired).lists)
        after = rows[-1][0]
    return found
