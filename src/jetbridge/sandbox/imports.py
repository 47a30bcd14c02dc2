"""Imports from another list: importlist."""

from typing import Any

from jetbridge.sandbox import subscriptions
from jetbridge.sandbox.jobs import RowWriter
from jetbridge.sandbox.model import Job
from jetbridge.sandbox.store import Store
from jetbridge.sandbox.upsert import Info, living_targets


def list_writer(store: Store, job: Job) -> RowWriter:
    """Write rows of [contact id, unsubscribed] to the job's list."""
    targets = living_targets(store, job.lists)

    def write(row: Any) -> Info:
        contact_id, unsubscribed = row
        contact = store.contacts.get(contact_id)
        if contact is None:
            return {}
        for target, action in targets:
            subscriptions.ACTIONS[_plain_action(action, unsubscribed)](store, target, contact)
        return {}

    return write


def _plain_action(action: str, unsubscribed: bool) -> str:  # noqa: FBT001 - part of a row
    if action == "duplicate-override":
        return "unsub" if unsubscribed else "addforce"
    if action == "duplicate-no-override":
        return "unsub" if unsubscribed else "addnoforce"
    return action
