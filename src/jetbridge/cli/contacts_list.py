"""Which of an account's contacts lists a person means."""

from jetbridge.errors import ConfigurationError
from jetbridge.mailjet.client import MailjetClient
from jetbridge.mailjet.resources import ContactsList


def find_or_create(client: MailjetClient, wanted: str) -> ContactsList:
    """The list with exactly this name, else with this id, else a new one of this name. Blocks.

    Raises ConfigurationError for an id that is not there: nobody means a new list called "10234".
    """
    lists = client.contactslists()
    named = [row for row in lists if row.name == wanted]
    numbered = [row for row in lists if str(row.id) == wanted]
    if found := (named or numbered):
        return found[0]
    if wanted.isdecimal():
        raise ConfigurationError(
            f"This Mailjet account has no contacts list {wanted}. Give its name, or no --list."
        )
    return client.create_contactslist(wanted)
