"""The contacts lists of an account at Mailjet, looked up while a person waits: briefly, outside transactions."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from jetbridge.control import names
from jetbridge.control.models import MailjetAccount
from jetbridge.errors import ConfigurationError, ConflictError, DeliveryError
from jetbridge.http.client import PAGE_SECONDS
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import ContactsList
from jetbridge.text import pasted

#: How long the lists of an account are cached: as long as somebody types into the search.
FRESH_SECONDS = 20.0
#: Of a contacts list at Mailjet.
NAME_LENGTH = 150


def client_of(account: MailjetAccount) -> MailjetClient:
    return new_client(account.api_url, account.api_key, account.secret_key)


def new_client(api_url: str, api_key: str, secret_key: str) -> MailjetClient:
    return MailjetClient(api_url, api_key, secret_key, timeout_seconds=PAGE_SECONDS)


@dataclass
class Lists:
    """The contacts lists of accounts, remembered for a moment. Thread-safe."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[int, str], tuple[float, list[ContactsList]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, account: MailjetAccount) -> Sequence[ContactsList]:
        """By name. Raises DeliveryError."""
        key, now = (account.id, account.api_key), self.clock()
        with self._lock:
            self._known = {of: row for of, row in self._known.items() if now - row[0] < FRESH_SECONDS}
            known = self._known.get(key)
        if known:
            return known[1]
        rows = sorted(client_of(account).contactslists(), key=lambda row: (row.name.lower(), row.id))
        with self._lock:
            self._known[key] = now, rows
        return rows

    def forget(self, account: MailjetAccount) -> None:
        with self._lock:
            self._known.pop((account.id, account.api_key), None)


LISTS = Lists()


def chosen_list(account: MailjetAccount, list_id: int | None, new_name: str) -> ContactsList:
    """The list with this id, else a new one of this name. Raises ConfigurationError or DeliveryError."""
    if new_name:
        name = names.checked("a contacts list", pasted(new_name), NAME_LENGTH)
        LISTS.forget(account)
        if double := next((row for row in LISTS.of(account) if row.is_named(name)), None):
            raise ConflictError(f"There is a contact list {double.name} ({double.id}) already: choose it.")
        LISTS.forget(account)
        return client_of(account).create_contactslist(name)
    if list_id is None:
        raise ConfigurationError("Choose a contact list, or give a new one a name.")
    return list_of(account, list_id)


def is_there(account: MailjetAccount, list_id: int) -> bool:
    """Whether Mailjet has the list, and not as a deleted one. Raises DeliveryError."""
    row = client_of(account).contactslist(list_id)
    return row is not None and not row.is_deleted


def list_of(account: MailjetAccount, list_id: int) -> ContactsList:
    """A list that is there. Raises DeliveryError."""
    row = client_of(account).contactslist(list_id)
    if row is None or row.is_deleted:
        LISTS.forget(account)
        raise DeliveryError(
            "LIST_NOT_FOUND", f"{account.name} has no contacts list {list_id} any more. Choose another."
        )
    return row


def matches(row: ContactsList, query: str) -> bool:
    """Whether the query is a part of the name, or the ID."""
    text = query.strip().lower()
    return text in row.name.lower() or text == str(row.id)
