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
from jetbridge.integrations.contact_book import COUNTED, ContactBook, Figures, Found, Now, Which
from jetbridge.privacy import erasure
from jetbridge.privacy.models import Erasure
from jetbridge.services import erasures as contact_acts
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
    trouble: str = ""


@destination_view()
def contacts(request: MemberRequest, row: Destination) -> HttpResponse:
    """`?q=` a userId or an address, `&now=` an address found: ask Mailjet; else `?which=` list, `?after=` a key."""
    book = _book(row)
    if book is None:
        return show(request, "console/destinations/contacts_none.html", row, {})
    name = _person(request.GET.get("q", ""))
    context = _search(request, row, book, name) if name else _list(request, book)
    return show(request, "console/destinations/contacts.html", row, {"name": name, **context})


@destination_view(Role.EDITOR)
def forget(request: MemberRequest, row: Destination) -> HttpResponse:
    """Says what will be erased of `person`, then has it done."""
    name = _person(request.POST.get("person") or request.GET.get("person", ""))
    book = _book(row)
    if not name or book is None:
        raise Http404
    identity = Identity.of_name(name)
    if request.method == "POST":
        return _forget(request, row, identity)
    context = {"name": name, "found": book.find(identity)}
    return show(request, "console/destinations/contacts_forget.html", row, context)


@destination_view()
def receipt(request: MemberRequest, row: Destination, erasure_id: int) -> HttpResponse:
    """What was erased where. It names nobody: when it has ended, nothing here does."""
    found = get_object_or_404(Erasure, id=erasure_id, workspace_id=request.workspace.id)
    return show(request, "console/destinations/contacts_receipt.html", row, {"erasure": found})


def _forget(request: MemberRequest, row: Destination, identity: Identity) -> HttpResponse:
    asked = contact_acts.forget(request.actor, identity)
    messages.success(request, "Suppressed from now on. The rest is deleted by the worker.")
    return redirect("destination-receipt", request.workspace.id, row.id, asked.id)


def _book(row: Destination) -> ContactBook | None:
    """None if the settings lead to no account. Raises Http404 for a kind without contacts."""
    integration, ref = integration_of(row), directory.destination(row.id)
    if not integration.has_contacts or ref is None:
        raise Http404
    return integration.contact_book(ref)


def _search(request: MemberRequest, row: Destination, book: ContactBook, name: str) -> dict[str, Any]:
    identity = Identity.of_name(name)
    found = book.find(identity)
    return {
        "found": found,
        "sources": list(row.sources.order_by("name")),
        "receipts": list(erasure.receipts(request.workspace.id, identity)[:3]),
        "delivery_records": _delivery_records(row, identity, found),
        "compared": _compared(book, request.GET.get("now", ""), found),
        "has_people": queries.space_of(request.workspace) is not None,
    }


def _delivery_records(row: Destination, identity: Identity, found: Found) -> list[DeliveryRecordRow]:
    """The newest failures of the person, and what its state filtered."""
    names = {*identity.users, *identity.emails, *found.without_address}
    names |= {each for card in found.cards for each in (card.email, *card.users)}
    rows = DeliveryRecordRow.objects.filter(destination_id=row.id, person__in=names)
    return list(rows.defer("body", "request", "response").order_by("-id")[:RECORDS_SHOWN])


def _compared(book: ContactBook, email: str, found: Found) -> Compared | None:
    """With Mailjet, of one that was found and asked for."""
    if email not in {card.email for card in found.cards}:
        return None
    try:
        return Compared(email, book.now(email))
    except DeliveryError as error:
        return Compared(email, None, str(error))


def _list(request: HttpRequest, book: ContactBook) -> dict[str, Any]:
    figures = book.figures()
    which = _which(request.GET.get("which"))
    listed = book.page(which, request.GET.get("after", ""))
    return {
        "figures": figures,
        "at_rest": max(0, figures.contacts - figures.due - figures.in_jobs),
        "due": _counted(figures),
        "which": which,
        "lists": _LISTS,
        "listed": listed,
        "paged": "after" in request.GET,
        "asides": book.set_aside(),
    }


#: Names and labels.
_LISTS = (
    (Which.TOLD, "Last sent"),
    (Which.DUE, "Waiting"),
    (Which.IN_JOB, "Sending"),
)


def _which(text: str | None) -> Which:
    return Which(text) if text in set(Which) else Which.TOLD


def _counted(figures: Figures) -> str:
    return f"{COUNTED:,}+" if figures.due > COUNTED else f"{figures.due:,}"


def _person(text: str) -> str:
    return text.strip()[:LONGEST]
