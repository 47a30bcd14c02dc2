"""Erasure of a person from Engage: the profile with all that hangs on it, and from every audience.

It works on the store beside the worker's reader, whatever that does: SQLite orders the two. The reader looks at who is suppressed
within its transaction, so whatever it takes in of the person comes before the erasure as a whole.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from jetbridge.engage import store
from jetbridge.engage.models import Space
from jetbridge.identity import erasure as identity_erasure
from jetbridge.spec.person import Identity

_ITEMS = "SELECT value FROM json_each(?)"


def handlers(workspace: int) -> list["EngageErasure"]:
    """See `worker.plan.erasure_handlers`. Whether it is switched on does not matter."""
    return [EngageErasure(workspace)] if Space.objects.filter(workspace_id=workspace).exists() else []


@dataclass(frozen=True)
class EngageErasure:
    """See `privacy.erasure.ErasureHandler`."""

    workspace: int

    @property
    def readers(self) -> Sequence[str]:
        return (store.reader(self.workspace),)

    def known(self, identity: Identity) -> Identity:
        with store.open_for_reading(settings.CONFIG.home, self.workspace) as connection:
            return identity_erasure.known(connection, identity) if connection else identity

    def erase(self, identity: Identity, now: int) -> None:
        """`erased` does it: this is called in a transaction of `state.db`, which must not wait for the store."""

    def erased(self, identity: Identity) -> str:
        """Erase all, and say so. Raises sqlite3.Error while the store cannot be written."""
        store.damaged_copy(self._file).unlink(missing_ok=True)
        with store.open_for_reading(settings.CONFIG.home, self.workspace) as connection:
            is_known = connection is not None and bool(identity_erasure.profiles_of(connection, identity))
        if is_known:
            with closing(store.open_for_writing(self._file)) as connection:
                connection.execute(
                    "PRAGMA secure_delete = ON"
                )  # else the bytes stay in the file until it is needed
                with store.transaction(connection):
                    profiles = identity_erasure.erase(connection, identity).profiles
                    ids = [store.json_list(profiles)]
                    for table, key, value in (
                        ("membership", "audience", "member"),
                        ("computed", "trait", "value"),
                    ):
                        connection.execute(
                            f"UPDATE definition SET size = size - (SELECT count(*) FROM {table} AS t "
                            f"WHERE t.{key} = definition.key AND t.{value} <> definition.empty AND t.profile IN ({_ITEMS}))",
                            ids,
                        )
                    for table in ("event", "membership", "computed", "sent", "outbox"):
                        connection.execute(f"DELETE FROM {table} WHERE profile IN ({_ITEMS})", ids)
                with suppress(sqlite3.OperationalError):  # while somebody reads it: later
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return "Engage holds nothing of the person: no profile, no event, no audience, no computed trait."

    @property
    def _file(self) -> Path:
        return store.path(settings.CONFIG.home, self.workspace)
