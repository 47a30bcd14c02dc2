"""The writers of importlist and csvimport jobs."""

from typing import Any

from mailjet_sandbox import csvfile, properties, subscriptions
from mailjet_sandbox.jobs import RowWriter
from mailjet_sandbox.model import ContactsList, Job
from mailjet_sandbox.store import Store
from mailjet_sandbox.upsert import Info, active_targets, is_email, update_contact

#: Methods of csvimport that change the exclusion list, and to what [D].
EXCLUSIONS = {"excludemarketing": True, "includemarketing": False}


def list_writer(store: Store, job: Job) -> RowWriter:
    """Write rows of [contact id, unsubscribed] to the job's list."""
    targets = active_targets(store, job.lists)

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


class CsvWriter:
    """Writes rows of cells. What it returns for a bad row is ``{column: message}``."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store = store
        self._options = csvfile.read_options(job.options)
        self._names, _ = csvfile.read_table(store.uploads.get(job.data_id, "email\n"), self._options)
        self._excluded = EXCLUSIONS.get(job.method)
        self._targets: list[tuple[ContactsList, str]] = active_targets(store, job.lists)
        self._seen: set[str] = set()
        csvfile.define_columns(store, self._names)

    def __call__(self, row: Any) -> Info:
        if len(row) < len(self._names):
            return {"line": "Too few columns"}
        cells = dict(zip(self._names, row, strict=False))
        email = cells.get("email", "").strip()
        values, problems = csvfile.typed(cells, self._store, self._options)
        problem = self._email_problem(email)
        if problem or problems:
            return {"email": problem} if problem else problems
        self._write(email, values)
        return {}

    def _write(self, email: str, given: dict[str, Any]) -> None:
        values, _ = properties.check(self._store.static_properties, given)
        contact = self._store.contact_by_email(email) or self._store.add_contact(email)
        update_contact(self._store, contact, excluded=self._excluded, values=values)
        for target, action in self._targets:
            subscriptions.ACTIONS[action](self._store, target, contact)

    def _email_problem(self, email: str) -> str | None:
        if not is_email(email):
            return "Invalid email"
        if email.lower() in self._seen:
            return "Duplicated email"
        self._seen.add(email.lower())
        return None


def csv_writer(store: Store, job: Job) -> RowWriter:
    return CsvWriter(store, job)
