"""Contacts: one person as Mailjet should hold them beside what it confirmed; and who was told last.

Nothing here reads all contacts: lists go by an index, and what would have to be counted is estimated.
"""

from typing import Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.engage import queries
from jetbridge.errors import DeliveryError
from jetbridge.integrations.contact_queries import (
    COUNTED,
    ContactFilter,
    ContactQueries,
    Figures,
    Now,
    PersonContacts,
)
from jetbridge.privacy import erasure
from jetbridge.privacy.models import Erasure
from jetbridge.services import erasures
from jetbridge.services.destination_settings import integration_of
from jetbridge.spec.person import Identity

#: Longest name of a person that is looked for.
LONGEST = 254
#: Failures of a person that are shown.
RECORDS_SHOWN = 10


class Compared(NamedTuple):
    """What Mailjet holds of a contact now, or why that is not known."""

    email: str
    now: Now | None
    problem: str = ""


@destination_view()
def contacts(request: MemberRequest, row: Destination) -> HttpResponse:
    """`?q=` a userId or an address, `&now=` an address found: ask Mailjet; else `?which=` list, `?after=` a key."""
    contact_queries = _contact_queries(row)
    if contact_queries is None:
        return show(request, "console/destinations/contacts_none.html", row, {})
    name = _person(request.GET.get("q", ""))
    context = _search(request, row, contact_queries, name) if name else _list(request, contact_queries)
    return show(request, "console/destinations/contacts.html", row, {"name": name, **context})


@destination_view(Role.EDITOR)
def forget(request: MemberRequest, row: Destination) -> HttpResponse:
    """Says what will be erased of `person`, then has it done."""
    name = _person(request.POST.get("person") or request.GET.get("person", ""))
    contact_queries = _contact_queries(row)
    if not name or contact_queries is None:
        raise Http404
    identity = Identity.of_name(name)
    if request.method == "POST":
        requested = erasures.forget(request.actor, identity)
        messages.success(request, "Suppressed from now on. The worker deletes the rest.")
        return redirect("destination-receipt", request.workspace.id, row.id, requested.id)
    context = {"name": name, "person": contact_queries.find(identity)}
    return show(request, "console/destinations/contacts_forget.html", row, context)


@destination_view()
def receipt(request: MemberRequest, row: Destination, erasure_id: int) -> HttpResponse:
    """What was erased where. It names nobody: when it has ended, nothing here does."""
    erased = get_object_or_404(Erasure, id=erasure_id, workspace_id=request.workspace.id)
    return show(request, "console/destinations/contacts_receipt.html", row, {"erasure": erased})


def _contact_queries(row: Destination) -> ContactQueries | None:
    """None if the settings lead to no account. Raises Http404 for a kind without contacts."""
    integration, ref = integration_of(row), directory.destination(row.id)
    if not integration.has_contacts or ref is None:
        raise Http404
    return integration.contact_queries(ref)


def _search(
    request: MemberRequest, row: Destination, contact_queries: ContactQueries, name: str
) -> dict[str, Any]:
    identity = Identity.of_name(name)
    person = contact_queries.find(identity)
    return {
        "person": person,
        "sources": list(row.sources.order_by("name")),
        "receipts": list(erasure.receipts(request.workspace.id, identity)[:3]),
        "delivery_records": _delivery_records(row, identity, person),
        "compared": _compared(contact_queries, request.GET.get("now", ""), person),
        "has_people": queries.space_of(request.workspace) is not None,
    }


def _delivery_records(
    row: Destination, identity: Identity, person: PersonContacts
) -> list[DeliveryRecordRow]:
    """The newest failures of the person, and what its state filtered."""
    names = {*identity.users, *identity.emails, *person.without_address}
    names |= {name for contact in person.contacts for name in (contact.email, *contact.users)}
    rows = DeliveryRecordRow.objects.filter(destination_id=row.id, person__in=names)
    return list(rows.defer("body", "request", "response").order_by("-id")[:RECORDS_SHOWN])


def _compared(contact_queries: ContactQueries, email: str, person: PersonContacts) -> Compared | None:
    """With Mailjet, of one that was found and erasure_row for."""
    if email not in {contact.email for contact in person.contacts}:
        return None
    try:
        return Compared(email, contact_queries.now(email))
    except DeliveryError as error:
        return Compared(email, None, str(error))


def _list(request: HttpRequest, contact_queries: ContactQueries) -> dict[str, Any]:
    figures = contact_queries.figures()
    which = _which(request.GET.get("which"))
    listed = contact_queries.page(which, request.GET.get("after", ""))
    return {
        "figures": figures,
        "at_rest": max(0, figures.contacts - figures.due - figures.in_jobs),
        "due": _counted(figures),
        "which": which,
        "lists": _LISTS,
        "listed": listed,
        "paged": "after" in request.GET,
        "rejected_values": contact_queries.rejected_values(),
    }


#: Names and labels.
_LISTS = (
    (ContactFilter.RECENT, "Last sent"),
    (ContactFilter.DUE, "Waiting"),
    (ContactFilter.IN_JOB, "Sending"),
)


def _which(text: str | None) -> ContactFilter:
    return ContactFilter(text) if text in set(ContactFilter) else ContactFilter.RECENT


def _counted(figures: Figures) -> str:
    return f"{COUNTED:,}+" if figures.due > COUNTED else f"{figures.due:,}"


def _person(text: str) -> str:
    return text.strip()[:LONGEST]
