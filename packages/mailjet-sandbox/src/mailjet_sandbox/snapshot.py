"""Keeping an account in a file: the whole of it as JSON, replaced at once, from time to time and at the end."""

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from mailjet_sandbox.model import (
    Callback,
    Campaign,
    Contact,
    ContactsList,
    Filter,
    Job,
    Membership,
    Message,
    Property,
    Sender,
)
from mailjet_sandbox.state import State

#: Between looks at whether anything changed.
INTERVAL_SECONDS = 5.0

#: The API waits for no more than about this share of the time, however large the account.
_SHARE = 0.1


class UnreadableState(OSError):
    """The file is there, but it is not a sandbox's state."""


class Snapshot(msgspec.Struct, kw_only=True):
    """Every row and nothing derived."""

    next_ids: dict[str, int]
    contacts: list[Contact]
    lists: list[ContactsList]
    memberships: list[Membership]
    properties: list[Property]
    jobs: list[Job]
    uploads: dict[int, str]
    callbacks: list[Callback]
    filters: list[Filter]
    campaigns: list[Campaign]
    messages: list[Message]
    senders: list[Sender] = []
    #: Events that no receiver had confirmed.
    pending_events: list[dict[str, Any]]


def take_snapshot(state: State) -> Snapshot:
    store = state.store
    return Snapshot(
        next_ids=store.next_ids,
        contacts=list(store.contacts.values()),
        lists=list(store.lists.values()),
        memberships=list(store.memberships.values()),
        properties=list(store.properties.values()),
        jobs=list(store.jobs.values()),
        uploads=store.uploads,
        callbacks=list(store.callbacks.values()),
        filters=list(store.filters.values()),
        campaigns=list(store.campaigns.values()),
        messages=list(store.messages.values()),
        senders=list(store.senders.values()),
        pending_events=state.callbacks.pending(),
    )


def restore(state: State, snapshot: Snapshot) -> None:
    """Fill a new account; jobs that had not ended start over, events that had not arrived are sent."""
    store = state.store
    store.next_ids |= snapshot.next_ids
    for contact in snapshot.contacts:
        store.restore_contact(contact)
    for member in snapshot.memberships:
        store.add_membership(member)
    store.forget_properties()
    for definition in snapshot.properties:
        store.add_property(definition)
    store.lists |= {row.id: row for row in snapshot.lists}
    store.uploads |= snapshot.uploads
    store.callbacks |= {row.id: row for row in snapshot.callbacks}
    store.filters |= {row.id: row for row in snapshot.filters}
    store.campaigns |= {row.id: row for row in snapshot.campaigns}
    store.messages |= {row.id: row for row in snapshot.messages}
    store.senders |= {row.id: row for row in snapshot.senders}
    for job in snapshot.jobs:
        store.jobs[job.id] = job
        if not job.ended_at:
            state.jobs.enqueue(job)
    state.callbacks.restore(snapshot.pending_events)


class StateFile:
    def __init__(self, path: Path, state: State) -> None:
        self._path = path
        self._state = state
        self._saved_version: tuple[int, ...] = ()
        #: One writer at a time, so that an older state never replaces a newer one.
        self._lock = threading.Lock()

    def read(self) -> Snapshot | None:
        """Return what the file holds, None without one. Raises UnreadableState."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Snapshot)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableState(f"{self._path} is not a sandbox's state: {error}") from None

    def save(self) -> None:
        self._saved_version = self._state.version
        self._write(msgspec.json.encode(take_snapshot(self._state)))

    async def keep_saving(self) -> None:
        """Save whenever something may have changed, until cancelled."""
        pause = INTERVAL_SECONDS
        while True:
            await asyncio.sleep(pause)
            if self._state.version == self._saved_version:
                continue
            started = time.monotonic()
            self._saved_version = self._state.version
            data = msgspec.json.encode(take_snapshot(self._state))
            pause = max(INTERVAL_SECONDS, (time.monotonic() - started) / _SHARE)
            await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        with self._lock:
            replace(self._path, data)


def replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader finds the old or the new content, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
