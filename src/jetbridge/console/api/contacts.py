"""People: their contacts as they should be and as Mailjet confirmed them, and forgetting one."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from jetbridge.console.acts import contacts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_ref
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import of_ms
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.api.refusal import Refused
from jetbridge.control.people import Role
from jetbridge.delivery import erasure
from jetbridge.delivery.models import Erasure
from jetbridge.destinations import contact_book
from jetbridge.destinations.contact_book import ContactBook, Which
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.spec.identity import Identity

Name = Annotated[
    str, msgspec.Meta(min_length=1, max_length=1000, description="A userId or an email address.")
]


class ContactsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`name` finds a person. Without it, a page of fifty: those told last, those due, or those in a job."""

    name: Name | None = None
    which: Literal["told", "due", "job"] = "told"
    after: Annotated[str, msgspec.Meta(max_length=400, description="`next` of the page before.")] = ""


class ContactList(msgspec.Struct):
    """A contact's place on a list: the action that is desired, and the one that Mailjet confirmed last."""

    list_id: int
    name: str
    desired: str
    delivered: str | None
    since: datetime | None
    unsubscribed: bool
    differs: bool


class ContactProperty(msgspec.Struct):
    """`aside` says why the value is set aside; empty if it is not."""

    name: str
    desired: Any
    delivered: Any
    said_at: datetime | None
    differs: bool
    aside: str


class Settlement(msgspec.Struct):
    """One call or job that told the contact, and how many messages it settled."""

    at: datetime | None
    by: str
    answer: str
    messages: int


class Contact(msgspec.Struct):
    """`agrees`: what is desired is what Mailjet confirmed. `job` 0: no job carries it."""

    email: str
    users: list[str]
    agrees: bool
    lists: list[ContactList]
    properties: list[ContactProperty]
    history: list[Settlement]
    due_at: datetime | None
    told_at: datetime | None
    job: int
    tries: int
    messages: int
    to_be_deleted: bool
    opted_out_at: datetime | None
    bounced_at: datetime | None
    moved_to: str


class Contacts(msgspec.Struct):
    """`without_address` are users of whom no address is known yet. `next` is null at the end."""

    items: list[Contact]
    without_address: list[str]
    next: str | None


class OpenJob(msgspec.Struct):
    """A job at Mailjet that carries contacts, and has not ended."""

    id: int
    list: str
    contacts: int
    started_at: datetime | None


class SetAside(msgspec.Struct):
    """Values of a property that Mailjet would refuse, for one reason; `email` is the last one's contact."""

    property: str
    sentence: str
    values: int
    email: str
    at: datetime | None


class ContactFigures(msgspec.Struct):
    """`contacts` is an estimate unless `exact`; `due` is counted up to 10,001."""

    contacts: int
    exact: bool
    due: int
    oldest_due_at: datetime | None
    in_jobs: int
    open_jobs: list[OpenJob]
    set_aside: list[SetAside]


class ReceiptsQuery(Paging):
    """`name` is a userId or an address that was forgotten."""

    name: Name | None = None


class ForgetWish(msgspec.Struct, forbid_unknown_fields=True):
    name: Name


class Receipt(msgspec.Struct):
    """`done` says what was done where, once it has ended."""

    id: int
    asked_at: datetime
    ended_at: datetime | None
    done: list[str]


@endpoint("GET", "destinations/<int:destination>/contacts")
def list_contacts(caller: Caller, destination: int, query: ContactsQuery) -> Contacts:
    """Find a person's contacts by userId or address, or page through contacts."""
    book = _book(caller, destination)
    if query.name is not None:
        found = book.find(Identity.of_name(query.name))
        return Contacts([_contact(each) for each in found.cards], found.without_address, None)
    listed = book.page(Which(query.which), query.after)
    return Contacts([_contact(each) for each in listed.cards], [], listed.after or None)


@endpoint("GET", "destinations/<int:destination>/contacts/figures")
def get_contact_figures(caller: Caller, destination: int) -> ContactFigures:
    """How many contacts there are and are due, what is being carried to Mailjet, and what was set aside."""
    book = _book(caller, destination)
    figures = book.figures()
    return ContactFigures(
        figures.contacts,
        figures.exact,
        figures.due,
        of_ms(figures.oldest_due),
        figures.in_jobs,
        [
            OpenJob(each.id, each.list_name, each.contacts, of_ms(each.started_at))
            for each in book.open_jobs()
        ],
        [
            SetAside(each.property, each.sentence, each.total, each.email, of_ms(each.at))
            for each in book.set_aside()
        ],
    )


@endpoint("GET", "forget")
def list_receipts(caller: Caller, query: ReceiptsQuery) -> Page[Receipt]:
    """Receipts of people who were forgotten, newest first. They name nobody."""
    rows = Erasure.objects.filter(workspace_id=caller.workspace.id)
    if query.name is not None:
        rows = erasure.receipts(caller.workspace.id, Identity.of_name(query.name))
    return page_of(rows, query, _receipt)


@endpoint("POST", "forget", Role.EDITOR, status=202)
def forget_person(caller: Caller, body: ForgetWish) -> Receipt:
    """Delete a person in Mailjet and here, for good, and take no more messages of them.

    Suppression begins at once; the worker does the rest, and the receipt tells what it did.
    """
    return _receipt(contacts.forget(caller.actor, Identity.of_name(body.name)))


@endpoint("GET", "forget/<int:receipt>")
def get_receipt(caller: Caller, receipt: int) -> Receipt:
    """How far an erasure is, and what was done where."""
    return _receipt(caller.own(Erasure.objects.filter(workspace_id=caller.workspace.id), receipt, "receipt"))


def _book(caller: Caller, destination: int) -> ContactBook:
    ref = own_ref(caller, destination)
    book = DEFINITIONS[ref.kind].contact_book(ref)
    if book is None:
        raise Refused(422, f"{ref.name} keeps no contacts, or its settings lead to no Mailjet account.")
    return book


def _contact(card: contact_book.Card) -> Contact:
    return Contact(
        email=card.email,
        users=card.users,
        agrees=card.agrees,
        lists=[ContactList(**each._asdict() | {"since": of_ms(each.since)}) for each in card.lists],
        properties=[
            ContactProperty(**each._asdict() | {"said_at": of_ms(each.said_at)}) for each in card.properties
        ],
        history=[Settlement(**each._asdict() | {"at": of_ms(each.at)}) for each in card.history],
        due_at=of_ms(card.due_at),
        told_at=of_ms(card.told_at),
        job=card.job,
        tries=card.tries,
        messages=card.messages,
        to_be_deleted=card.to_be_deleted,
        opted_out_at=of_ms(card.opted_out),
        bounced_at=of_ms(card.bounced),
        moved_to=card.moved_to,
    )


def _receipt(row: Erasure) -> Receipt:
    return Receipt(row.id, row.asked_at, row.ended_at, row.receipt)
