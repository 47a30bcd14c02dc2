"""The drop-down of an account's contacts lists: loaded from Mailjet after the page, searched where there are many."""

from dataclasses import dataclass

from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.errors import DeliveryError
from jetbridge.integrations.mailjet.contacts_lists import LISTS, fits
from jetbridge.text import pluralize

#: More lists than this are searched; more than SHOWN are not shown at once.
SEARCHED, SHOWN = 25, 200


@dataclass(frozen=True)
class Option:
    id: int
    name: str
    note: str = ""


@dataclass(frozen=True)
class Picker:
    """`total` None: Mailjet was not asked yet. `found` are those that the search fits."""

    account: MailjetAccount
    connection: AppConnection | None
    options: list[Option]
    chosen: int | None = None
    query: str = ""
    total: int | None = None
    found: int = 0
    error: str = ""
    #: Mailjet has no such list any more as that of the connection.
    is_gone: bool = False

    @property
    def is_there(self) -> bool:
        """Mailjet was asked, and has the list of the connection."""
        return self.total is not None and not self.is_gone

    @property
    def key(self) -> str:
        """Tells the pickers of a page apart."""
        return str(self.connection.id) if self.connection else "new"

    @property
    def is_searched(self) -> bool:
        return (self.total or 0) > SEARCHED

    @property
    def hidden(self) -> int:
        return max(0, self.found - SHOWN)


def unasked(account: MailjetAccount, connection: AppConnection | None = None) -> Picker:
    return Picker(account, connection, _current(connection), _chosen(connection))


def asked(account: MailjetAccount, connection: AppConnection | None = None, query: str = "") -> Picker:
    """With the lists that Mailjet has now, of which the query is a part of the name or the ID."""
    try:
        rows = LISTS.of(account)
    except DeliveryError as error:
        return Picker(account, connection, _current(connection), _chosen(connection), query, error=str(error))
    found = [row for row in rows if fits(row, query)]
    options = [Option(row.id, row.name, pluralize(row.subscriber_count, "contact")) for row in found[:SHOWN]]
    is_gone = connection is not None and connection.list_id not in {row.id for row in rows}
    # The list of the connection stays in the choice where the search does not show it.
    current = [] if is_gone else _current(connection)
    missing = [each for each in current if each.id not in {option.id for option in options}]
    chosen = None if is_gone else _chosen(connection)
    return Picker(
        account, connection, missing + options, chosen, query, len(rows), len(found), is_gone=is_gone
    )


def _current(connection: AppConnection | None) -> list[Option]:
    return [Option(connection.list_id, connection.list_name)] if connection else []


def _chosen(connection: AppConnection | None) -> int | None:
    return connection.list_id if connection else None
