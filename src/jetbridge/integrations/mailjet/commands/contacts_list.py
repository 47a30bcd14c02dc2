"""Which of an account's contacts lists a person means."""

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.resources import ContactsList
from jetbridge.text import pasted

#: Lists that are named when none fits.
SHOWN = 10


def find(client: MailjetClient, wanted: str, *, create: bool) -> ContactsList:
    """The list with this name or else this id; with `create` a new one of this name. Blocks.

    Names are compared without case and blanks: "customers " means Customers, and no near-double of it. Raises
    ConfigurationError if no list fits, or several do.
    """
    wanted = pasted(wanted)
    lists = client.contactslists()
    exact = [row for row in lists if row.name == wanted]
    found = exact or [row for row in lists if row.is_named(wanted)]
    found = found or [row for row in lists if str(row.id) == wanted]
    if len(found) > 1:
        ids = ", ".join(str(row.id) for row in found)
        raise ConfigurationError(f"Several contacts lists are named {wanted}: give the id of one of {ids}.")
    if found:
        return found[0]
    if create and not wanted.isdecimal():  # nobody means a new list called "10234"
        return client.create_contactslist(wanted)
    known = ", ".join(f"{row.name} ({row.id})" for row in lists[:SHOWN]) or "none yet"
    more = f", and {len(lists) - SHOWN:,} more" if len(lists) > SHOWN else ""
    raise ConfigurationError(
        f"This Mailjet account has no contacts list {wanted!r}. It has: {known}{more}. Give the name or id of one, or a new "
        "name with --create-list."
    )
