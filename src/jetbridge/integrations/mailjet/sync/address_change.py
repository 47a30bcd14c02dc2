"""What is asked of Mailjet about a contact whose address changes, so that no unsubscribe is forgotten by it.

Before an address takes over from another, the other's unsubscribes are looked up: a change of address is no new
consent. Before one leaves a list, it is looked up whether it has unsubscribed there: Mailjet's `remove` would
forget that.
"""

from jetbridge.integrations.mailjet.api.errors import ListsRejected, NotFound
from jetbridge.integrations.mailjet.api.resources import (
    ADDNOFORCE,
    REMOVE,
    UNSUB,
    ListRecipient,
    Subscription,
)
from jetbridge.integrations.mailjet.contacts.contact import Contact, load_recording_unreadable
from jetbridge.integrations.mailjet.contacts.state import UNKNOWN, difference
from jetbridge.integrations.mailjet.sync.account import Account
from jetbridge.integrations.mailjet.sync.remote import moment, unsubscribes_of

#: How far Mailjet's clock may be from ours.
CLOCKS_MS = 600_000


def unsubscribes(account: Account, contact: Contact) -> dict[int, int]:
    """Lists of the contact on which a former address had unsubscribed, and when (ms). Raises DeliveryError."""
    former = load_recording_unreadable(account.id, contact.desired.superseded)
    return {
        row.list_id: moment(row.unsubscribed_at) or account.now()
        for old in contact.desired.superseded
        for row in unsubscribes_of(account.client, old)
        if row.list_id in contact.desired.lists and _is_own_word(former.get(old), row)
    }


def already_on(account: Account, contact: Contact) -> set[int]:
    """Lists of audiences that the contact is to be added to and is on already: somebody else put it there, unless an answer to
    a call of ours got lost. Raises DeliveryError.
    """
    followed = contact.desired.followed_lists
    change = difference(contact.desired, contact.delivered) if followed else None
    adding = {
        list_id
        for list_id, action in (change.lists.items() if change else ())
        if action == ADDNOFORCE and list_id in followed and contact.delivered.lists.get(list_id) != UNKNOWN
    }
    if not adding:
        return adding
    return {row.list_id for row in _subscribed(account, contact.email) if row.list_id in adding}


def leave(account: Account, contact: Contact, lists: list[int]) -> None:
    """Take an address off lists, unless it is not there or stands there as unsubscribed. Who wants no mail is
    unsubscribed instead: what Mailjet forgets, an import may subscribe again. Raises DeliveryError.
    """
    wanted = {
        row.list_id: UNSUB if contact.desired.unsubscribed_from(row.list_id) else REMOVE
        for row in _subscribed(account, contact.email)
        if row.list_id in lists and not _was_there_before(contact, row)
    }
    while wanted:
        try:
            account.client.managecontactslists(contact.email, wanted)
        except NotFound:  # it went meanwhile
            return
        except ListsRejected as error:  # nobody is on a list that is gone
            if error.lists.keys().isdisjoint(wanted):
                raise
            wanted = {list_id: action for list_id, action in wanted.items() if list_id not in error.lists}
        else:
            return


def _subscribed(account: Account, email: str) -> list[Subscription]:
    return [row for row in account.client.getcontactslists(email) if row.is_active and not row.is_unsub]


def _was_there_before(contact: Contact, row: Subscription) -> bool:
    """Whether it was on a list of an audience long before the job that was to add it."""
    job_at, subscribed_at = contact.desired.joined.get(row.list_id, 0), moment(row.subscribed_at)
    return subscribed_at is not None and subscribed_at < job_at - CLOCKS_MS


def _is_own_word(former: Contact | None, row: ListRecipient) -> bool:
    """An address that bounced for good was unsubscribed by us, unless its person had done so before."""
    bounced = former.desired.bounced if former else 0
    at = moment(row.unsubscribed_at)
    return not bounced or (at is not None and at < bounced)
