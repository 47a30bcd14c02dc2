"""Erasure: forget the profiles of a person, with everything by which they were known."""

import sqlite3
from typing import NamedTuple

import msgspec

from jetbridge.identity.identifiers import ANONYMOUS_ID, EMAIL, USER_ID, is_storable
from jetbridge.spec.person import Identity


class ErasedProfiles(NamedTuple):
    """`profiles`: the caller erases what else it keeps of them. `segment_ids`: their names, those of profiles merged into
    them included.
    """

    profiles: list[int]
    segment_ids: list[str]


def known(connection: sqlite3.Connection, identity: Identity) -> Identity:
    """By what else the person is known: the userIds and addresses of the profiles that own one of the names.

    Not the anonymousIds: who else uses the device would be suppressed with it.
    """
    rows = connection.execute(
        f"SELECT type, value FROM identifier WHERE profile IN ({_OWNERS})", _names(identity)
    ).fetchall()
    return Identity.of(
        [value for type_, value in rows if type_ == USER_ID],
        [value for type_, value in rows if type_ == EMAIL],
    )


def profiles_of(connection: sqlite3.Connection, identity: Identity) -> list[int]:
    """The profiles that own one of the names."""
    return [id_ for (id_,) in connection.execute(_OWNERS, _names(identity))]


def erase(connection: sqlite3.Connection, identity: Identity) -> ErasedProfiles:
    """Remove the profiles that own one of the names, whole. In the caller's transaction."""
    profiles = profiles_of(connection, identity)
    ids = (msgspec.json.encode(profiles).decode(),)
    segment_ids = connection.execute(
        f"SELECT segment_id FROM profile WHERE id IN ({_ITEMS})"
        f" UNION ALL SELECT segment_id FROM merged WHERE profile IN ({_ITEMS})",
        ids * 2,
    ).fetchall()
    for statement in (
        "DELETE FROM identifier WHERE profile IN",
        "DELETE FROM merged WHERE profile IN",
        "DELETE FROM profile WHERE id IN",
    ):
        connection.execute(f"{statement} ({_ITEMS})", ids)
    return ErasedProfiles(profiles, [segment_id for (segment_id,) in segment_ids])


_ITEMS = "SELECT value FROM json_each(?)"
_OWNERS = (
    f"SELECT DISTINCT profile FROM identifier WHERE type = '{EMAIL}' AND value IN ({_ITEMS})"
    f" OR type IN ('{USER_ID}', '{ANONYMOUS_ID}') AND value IN ({_ITEMS}) ORDER BY profile"
)


def _names(identity: Identity) -> tuple[str, str]:
    """Without those that no identifier can be: SQLite's JSON would end a text at the first U+0000."""
    emails, users = (
        msgspec.json.encode([name for name in names if is_storable(name)]).decode()
        for names in (identity.emails, identity.users)
    )
    return emails, users
