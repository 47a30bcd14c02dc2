"""The path for a few contacts: `managecontact`, which answers at once and names what it refuses.

Also the careful path. Before an address leaves a list, its unsubscribe is looked up: an address that had
unsubscribed is left there as it is (Mailjet's `remove` would forget it), and the address that takes over is
unsubscribed too.
"""

from collections.abc import Mapping

import msgspec

from jetbridge.destinations.mailjet.account import Account, ListUnknown
from jetbridge.destinations.mailjet.contacts import Contact, load_contacts, save_sent
from jetbridge.destinations.mailjet.holding import moment
from jetbridge.destinations.mailjet.prepare import Prepared, any_list, prepare
from jetbridge.destinations.mailjet.settle import (
    Confirmed,
    Erased,
    RefusedContact,
    report_set_aside,
    settle_single,
)
from jetbridge.destinations.mailjet.state import Change, ListWish, difference
from jetbridge.errors import PermanentError, TransientError
from jetbridge.mailjet.actions import REMOVE, UNSUB
from jetbridge.mailjet.errors import EmailRefused, ListsRefused, NotFound, PropertiesRefused
from jetbridge.mailjet.listings import LISTRECIPIENT
from jetbridge.mailjet.resources import ListRecipient

#: How often refused properties are set aside and the rest sent again, before the contact itself fails.
ROUNDS = 3

#: What a contact's history calls this path.
CALL = "managecontact"


def deliver_singly(account: Account, contact: Contact) -> None:
    """Bring one contact to its desired state, and settle it. Raises TransientError or HoldError."""
    if contact.desired.is_to_go:
        _delete(account, contact)
        return
    took_over = list(contact.desired.takes_over)
    try:
        learned = _unsubscribes_taken_over(account, contact)
        for list_id, (action, at) in learned.items():
            contact.desired.ask(list_id, action, at)
        prepared, dropped = _tell(account, contact)
    except PermanentError as error:
        refuse(account, contact, error)
        return
    report_set_aside(account.id, [(*refusal, contact.email) for refusal in prepared.refusals])
    confirmed = Confirmed(
        prepared.told,
        contact.pending,
        CALL if prepared.needs_call else "",
        prepared.summary,
        learned,
        took_over,
        dropped,
    )
    settle_single(account.id, account.now(), contact.email, confirmed)
    account.breaker.took()


def refuse(account: Account, contact: Contact, error: PermanentError) -> None:
    """Let the messages of a contact fail. Raises Tripped, and settles nothing, if nearly everything does."""
    if not isinstance(error, EmailRefused):  # which is the address's own fault beyond doubt
        account.breaker.refused(error)
    request = msgspec.json.encode({"Email": contact.email, **contact.desired.values}).decode()
    dropped = [error.list_id] if isinstance(error, ListUnknown) else []
    refused = RefusedContact(contact.pending, error, request, CALL, dropped)
    settle_single(account.id, account.now(), contact.email, refused)


def _delete(account: Account, contact: Contact) -> None:
    """Delete a contact at Mailjet, for good (v4). What Mailjet does not have is deleted already."""
    if found := account.client.contact(contact.email):
        save_sent([(contact, contact.delivered)])
        account.client.delete_contact(found.id)
    settle_single(account.id, account.now(), contact.email, Erased())


def _tell(account: Account, contact: Contact) -> tuple[Prepared, list[int]]:
    """Say all there is to say about a contact, setting aside what Mailjet refuses. Also returns lists that are
    gone, by way of which it could not be said.
    """
    change = difference(contact.desired, contact.delivered) or Change({}, {}, None)
    refusals: dict[str, str] = {}
    dropped: list[int] = []
    for _ in range(ROUNDS + len(contact.delivered.lists)):
        datatypes = account.types.for_values([change.values])
        prepared = prepare(contact, change, datatypes, account.types.not_created)
        _set_aside(prepared, refusals)
        if prepared.needs_call:
            save_sent([(contact, prepared.told)])
        try:
            _call(account, prepared)
        except PropertiesRefused as error:
            refusals.update(_to_set_aside(account, prepared, error))
        except ListUnknown as error:
            contact.delivered.lists.pop(error.list_id, None)
            if error.list_id in change.lists or not any_list(contact):
                raise
            dropped.append(error.list_id)
        else:
            return prepared, dropped
    raise PermanentError(
        "INVALID_PROPERTY", f"Mailjet keeps refusing properties of the contact: {', '.join(refusals)}."
    )


def _call(account: Account, prepared: Prepared) -> None:
    leaving = [list_id for list_id, action in prepared.lists.items() if action == REMOVE]
    staying = {list_id: action for list_id, action in prepared.lists.items() if action != REMOVE}
    if leaving:
        _remove(account, prepared.contact, leaving)
    if not staying or not prepared.needs_call:
        return
    try:
        _put(account, prepared, staying)
    except PropertiesRefused:
        raise
    except PermanentError as error:
        raise account.list_trouble(list(staying), error) from error
    account.lists_work(staying)


def _put(account: Account, prepared: Prepared, lists: Mapping[int, str]) -> None:
    first, *others = lists
    account.client.managecontact(first, {"Action": lists[first], **prepared.row})
    if not others:
        return
    email = prepared.contact.email
    try:
        account.client.managecontactslists(email, {list_id: lists[list_id] for list_id in others})
    except NotFound as error:  # it is the contact that is not found here (mailjet-apiv3-nodejs#110)
        raise TransientError(error.code, "Mailjet does not see the new contact yet.") from error


def _remove(account: Account, contact: Contact, lists: list[int]) -> None:
    """Take an address off lists, unless it is not there or stands there as unsubscribed. Who wants no mail is
    unsubscribed instead: what Mailjet forgets, an import may subscribe again.
    """
    wanted = {
        row.list_id: UNSUB if contact.desired.unsubscribed_from(row.list_id) else REMOVE
        for row in account.client.getcontactslists(contact.email)
        if row.list_id in lists and row.is_active and not row.is_unsub
    }
    while wanted:
        try:
            account.client.managecontactslists(contact.email, wanted)
        except ListsRefused as error:  # nobody is on a list that is gone
            if error.lists.keys().isdisjoint(wanted):
                raise
            wanted = {list_id: action for list_id, action in wanted.items() if list_id not in error.lists}
        else:
            return


def _unsubscribes_taken_over(account: Account, contact: Contact) -> dict[int, ListWish]:
    """Lists on which a former address had unsubscribed: a change of address is no new consent."""
    former = load_contacts(account.id, contact.desired.takes_over)
    return {
        row.list_id: (UNSUB, moment(row.unsubscribed_at) or account.now())
        for old in contact.desired.takes_over
        for row in _unsubscribed(account, old)
        if row.list_id in contact.desired.lists and _is_own_word(former.get(old), row)
    }


def _unsubscribed(account: Account, email: str) -> list[ListRecipient]:
    """Where an address has unsubscribed. Few have, and only listrecipient says when."""
    if not any(row.is_unsub for row in account.client.getcontactslists(email)):
        return []
    found = account.client.page(LISTRECIPIENT, 0, ContactEmail=email)
    return [row for row in found if row.is_unsubscribed]


def _is_own_word(former: Contact | None, row: ListRecipient) -> bool:
    """An address that bounced for good was unsubscribed by us, unless its person had done so before."""
    bounced = former.desired.bounced if former else 0
    at = moment(row.unsubscribed_at)
    return not bounced or (at is not None and at < bounced)


def _set_aside(prepared: Prepared, refusals: Mapping[str, str]) -> None:
    for name, sentence in refusals.items():
        if prepared.properties.pop(name, None) is not None:
            prepared.told.aside[name] = prepared.told.values.pop(name)
            prepared.refusals.append((name, sentence))


def _to_set_aside(account: Account, prepared: Prepared, error: PropertiesRefused) -> dict[str, str]:
    """What to leave out of the next try. Raises TransientError for a property that Mailjet will see soon."""
    known = dict(account.types.for_values([]))
    sent = {name: words for name, words in error.properties.items() if name in prepared.properties}
    if not sent:
        raise PermanentError(error.code, str(error), status=error.status, answer=error.answer) from error
    account.types.refresh()
    if account.types.for_values([]) != known:
        return {}  # somebody changed a type meanwhile: fit the values again
    unseen = [name for name, words in sent.items() if "not defined" in words.lower()]
    if unseen and prepared.contact.tries < ROUNDS:
        raise TransientError(
            "INVALID_KEY_NAME", f"Mailjet does not see the new contact property {unseen[0]!r} yet."
        ) from error
    return {name: f"Mailjet says: {words}" for name, words in sent.items()}
