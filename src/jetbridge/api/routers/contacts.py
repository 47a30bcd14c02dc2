"""People: their contacts as they should be and as Mailjet confirmed them, and deleting a person."""

from typing import Annotated, Any, Literal

from ninja import Query
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, QuerySchema, Timestamp, example, from_ms
from jetbridge.integrations import contact_queries, registry
from jetbridge.integrations.contact_queries import ContactFilter, ContactQueries
from jetbridge.privacy import erasure
from jetbridge.privacy.models import Erasure
from jetbridge.services import erasures
from jetbridge.spec.person import Identity

router = ApiRouter(tags=["Contacts"])

PersonName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        description="A userId or an email address.",
        examples=["ada@example.com"],
    ),
]
Email = Annotated[str, example("ada@example.com")]
Action = Annotated[str, example("addnoforce")]


class ContactsQuery(QuerySchema):
    """`name` finds a person. Without it, a page of fifty: those sent last, those due, or those in a job."""

    name: PersonName | None = None
    which: Literal["recent", "due", "job"] = "recent"
    after: Annotated[
        str, Field(max_length=400, description="`next` of the page before.", examples=["1764547200000:7"])
    ] = ""


class ContactListOut(OutSchema):
    """A contact's place on a list: the action that is desired, and the one that Mailjet confirmed last."""

    list_id: Annotated[int, example(10001)]
    name: Annotated[str, example("Customers")]
    desired: Action
    delivered: Annotated[str | None, example("addnoforce")]
    since: Timestamp | None
    unsubscribed: bool
    differs: bool


class ContactPropertyOut(OutSchema):
    """`rejection` says why the value is rejected; empty if it is not."""

    name: Annotated[str, example("plan")]
    desired: Annotated[Any, example("pro")]
    delivered: Annotated[Any, example("free")]
    updated_at: Timestamp | None
    differs: bool
    rejected: Annotated[str, example("")]


class HistoryEntryOut(OutSchema):
    """One call or job that sent the contact, and how many messages it completed."""

    at: Timestamp | None
    by: Annotated[str, example("job 4711")]
    response: Annotated[str, example("completed")]
    messages: Annotated[int, example(1)]


class ContactOut(OutSchema):
    """`agrees`: what is desired is what Mailjet confirmed. `job` 0: no job carries it."""

    email: Email
    users: Annotated[list[str], example(["u-1"])]
    agrees: bool
    lists: list[ContactListOut]
    properties: list[ContactPropertyOut]
    history: list[HistoryEntryOut]
    next_attempt_at: Timestamp | None
    synced_at: Timestamp | None
    job: Annotated[int, example(0)]
    attempts: int
    messages: int
    to_be_deleted: bool
    opted_out_at: Annotated[Timestamp | None, example(None)]
    bounced_at: Annotated[Timestamp | None, example(None)]
    moved_to: Annotated[str, example("")]


class ContactsOut(OutSchema):
    """`without_address` are users of whom no address is known yet. `next` is null at the end."""

    items: list[ContactOut]
    without_address: Annotated[list[str], example([])]
    next: Annotated[str | None, example(None)]


class OpenJobOut(OutSchema):
    """A job at Mailjet that carries contacts, and has not ended."""

    id: Annotated[int, example(4711)]
    list: Annotated[str, example("Customers")]
    contacts: Annotated[int, example(5000)]
    started_at: Timestamp | None


class RejectedValuesOut(OutSchema):
    """Values of a property that Mailjet would refuse, for one reason; `email` is the last one's contact."""

    property: Annotated[str, example("age")]
    message: Annotated[str, example("Mailjet's property age takes whole numbers only.")]
    values: Annotated[int, example(3)]
    email: Email
    at: Timestamp | None


class ContactFiguresOut(OutSchema):
    """`contacts` is an estimate unless `exact`; `due` is counted up to 10,001."""

    contacts: Annotated[int, example(1200)]
    exact: bool
    due: Annotated[int, example(3)]
    oldest_due_at: Timestamp | None
    in_jobs: int
    open_jobs: list[OpenJobOut]
    rejected_values: list[RejectedValuesOut]


class ReceiptsQuery(Paging):
    """`name` is a userId or an address that was deleted."""

    name: PersonName | None = None


class DeletionIn(InSchema):
    name: PersonName


class ReceiptOut(OutSchema):
    """`done` says what was done where, once it has ended; `waits_for` what it waits for, if that is known."""

    id: Id
    requested_at: Timestamp
    ended_at: Timestamp | None
    waits_for: Annotated[str | None, example(None)]
    done: Annotated[list[str], example(["Mailjet: 1 contact deleted."])]


@router.get("/destinations/{int:destination}/contacts", response=ContactsOut)
def list_contacts(request: ApiRequest, destination: Id, query: Query[ContactsQuery]) -> ContactsOut:
    """Find a person's contacts by userId or address, or page through contacts."""
    contact_queries = _contact_queries(request.auth, destination)
    if query.name is not None:
        person = contact_queries.find(Identity.of_name(query.name))
        items = [_contact(contact) for contact in person.contacts]
        return ContactsOut(items=items, without_address=person.without_address, next=None)
    page = contact_queries.page(ContactFilter(query.which), query.after)
    return ContactsOut(
        items=[_contact(contact) for contact in page.contacts], without_address=[], next=page.after or None
    )


@router.get("/destinations/{int:destination}/contacts/figures", response=ContactFiguresOut)
def get_contact_figures(request: ApiRequest, destination: Id) -> ContactFiguresOut:
    """How many contacts there are and are due, what jobs carry to Mailjet, and which values were rejected."""
    contact_queries = _contact_queries(request.auth, destination)
    figures = contact_queries.figures()
    return ContactFiguresOut(
        contacts=figures.contacts,
        exact=figures.exact,
        due=figures.due,
        oldest_due_at=from_ms(figures.oldest_due),
        in_jobs=figures.in_jobs,
        open_jobs=[
            OpenJobOut(
                id=job.id, list=job.list_name, contacts=job.contacts, started_at=from_ms(job.started_at)
            )
            for job in contact_queries.open_jobs()
        ],
        rejected_values=[
            RejectedValuesOut(
                property=values.property,
                message=values.detail,
                values=values.total,
                email=values.email,
                at=from_ms(values.at),
            )
            for values in contact_queries.rejected_values()
        ],
    )


@router.get("/forget", response=Page[ReceiptOut])
def list_receipts(request: ApiRequest, query: Query[ReceiptsQuery]) -> Page[ReceiptOut]:
    """Receipts of people who were deleted, newest first. They name nobody."""
    rows = _receipts(request.auth)
    if query.name is not None:
        rows = erasure.receipts(request.auth.workspace.id, Identity.of_name(query.name))
    return page_of(rows, query, _receipt)


@router.post("/forget", auth=editor, response={202: ReceiptOut})
def forget_person(request: ApiRequest, body: DeletionIn) -> ReceiptOut:
    """Delete a person in Mailjet and here, for good, and accept no more messages of them.

    Suppression begins at once; the worker does the rest, and the receipt shows what it did.
    """
    return _receipt(erasures.forget(request.auth.actor, Identity.of_name(body.name)))


@router.get("/forget/{int:receipt}", response=ReceiptOut)
def get_receipt(request: ApiRequest, receipt: Id) -> ReceiptOut:
    """How far a deletion is, and what was done where."""
    return _receipt(request.auth.find(_receipts(request.auth), receipt, "receipt"))


def _receipts(caller: Caller) -> Any:
    return Erasure.objects.filter(workspace_id=caller.workspace.id)


def _contact_queries(caller: Caller, destination: int) -> ContactQueries:
    ref = caller.destination_ref(destination)
    contact_queries = registry.destination(ref.kind).contact_queries(ref)
    if contact_queries is None:
        raise HTTPError(
            "INVALID_VALUE",
            f"{ref.name} keeps no contacts, or its settings lead to no Mailjet account.",
            fix="Name a destination of the kind mailjet, and correct its apiKey.",
        )
    return contact_queries


def _contact(contact: contact_queries.ContactDetail) -> ContactOut:
    return ContactOut(
        email=contact.email,
        users=contact.users,
        agrees=contact.agrees,
        lists=[
            ContactListOut(
                list_id=contact_list.list_id,
                name=contact_list.name,
                desired=contact_list.desired,
                delivered=contact_list.delivered,
                since=from_ms(contact_list.since),
                unsubscribed=contact_list.unsubscribed,
                differs=contact_list.differs,
            )
            for contact_list in contact.lists
        ],
        properties=[
            ContactPropertyOut(
                name=value.name,
                desired=value.desired,
                delivered=value.delivered,
                updated_at=from_ms(value.updated_at),
                differs=value.differs,
                rejected=value.rejection,
            )
            for value in contact.properties
        ],
        history=[
            HistoryEntryOut(
                at=from_ms(entry.at), by=entry.by, response=entry.response, messages=entry.messages
            )
            for entry in contact.history
        ],
        next_attempt_at=from_ms(contact.next_attempt_at),
        synced_at=from_ms(contact.synced_at),
        job=contact.job,
        attempts=contact.attempts,
        messages=contact.messages,
        to_be_deleted=contact.to_be_deleted,
        opted_out_at=from_ms(contact.opted_out),
        bounced_at=from_ms(contact.bounced),
        moved_to=contact.moved_to,
    )


def _receipt(row: Erasure) -> ReceiptOut:
    return ReceiptOut(
        id=row.id,
        requested_at=row.requested_at,
        ended_at=row.ended_at,
        waits_for=row.waits_for or None,
        done=row.receipt,
    )
