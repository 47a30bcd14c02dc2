"""What the Mailjet destination declares about itself."""

import json
from collections.abc import Mapping
from typing import Any

from django import conf

from jetbridge.control import authentication_keys
from jetbridge.control.directory import AccountRef, DestinationRef
from jetbridge.control.models import AppConnection, Destination
from jetbridge.delivery import ledger
from jetbridge.delivery.threads import Runnable
from jetbridge.destinations.definition import Definition
from jetbridge.destinations.mailjet import settings, trait_names
from jetbridge.destinations.mailjet.contact_book import MailjetContactBook
from jetbridge.destinations.mailjet.fold import MailjetDestination
from jetbridge.destinations.mailjet.keeper import ContactKeeper
from jetbridge.destinations.mailjet.mapping_text import WrongMapping
from jetbridge.destinations.mailjet.models import SetAside
from jetbridge.destinations.mailjet.pair import confirm
from jetbridge.destinations.mailjet.reconcile import Reconciler
from jetbridge.destinations.mailjet.tasks import TASKS
from jetbridge.destinations.mailjet.tracer import ContactTracer, as_object
from jetbridge.destinations.mailjet.trait_names import TraitNames
from jetbridge.destinations.mailjet.traits import NAME
from jetbridge.destinations.mailjet.unsubscribes import Unsubscribes
from jetbridge.spec.identity import Identity

KIND = "mailjet"


def _open(ref: DestinationRef) -> MailjetDestination:
    account = settings.check(ref)
    names = TraitNames(ref.id)
    return MailjetDestination(
        ref.id,
        account.id,
        settings.default_list(ref),
        workspace=ref.workspace,
        delete_former=ref.settings.get("formerContact") == settings.DELETE,
        unsubscribed_trait=settings.unsubscribed_trait(ref),
        mapping=settings.mapping_of(ref, names.notice),
        names=names,
    )


def _keeper(ref: DestinationRef) -> ContactKeeper | None:
    account = settings.account_behind(ref)
    if account is None:
        return None
    return ContactKeeper(ledger.destination_reader(ref.id), account.id, account.name)


def _tracer(ref: DestinationRef) -> ContactTracer | None:
    account = settings.account_behind(ref)
    if account is None:
        return None
    text = str(ref.settings.get("listId", ""))
    return ContactTracer(ref.id, account.id, int(text) if text.isdecimal() else 0)


def _person(ref: DestinationRef, identity: Identity) -> list[dict[str, Any]]:
    tracer = _tracer(ref)
    return [as_object(contact) for contact in tracer.contacts(identity)] if tracer else []


def _contact_book(ref: DestinationRef) -> MailjetContactBook | None:
    account = settings.account_behind(ref)
    return MailjetContactBook(ref.id, account.id) if account else None


def _companions(ref: DestinationRef) -> Mapping[str, tuple[object, Runnable]]:
    account = settings.account_behind(ref)
    if account is None:
        return {}
    reconciler = Reconciler(
        account, lambda: destinations_of(account), retry_seconds=conf.settings.CONFIG.retry_seconds
    )
    unsubscribes = Unsubscribes(account, lambda: destinations_of(account).values())
    return {
        f"reconcile:{account.id}": (account, reconciler.run),
        f"unsubscribes:{account.id}": (account, unsubscribes.run),
    }


def destinations_of(account: AccountRef) -> dict[int, int]:
    """The enabled destinations that depend on an account, with their lists."""
    connections = AppConnection.objects.filter(account_id=account.id)
    keys = {key for row in connections for key in authentication_keys.good_keys(row)}
    rows = Destination.objects.filter(kind=KIND, enabled=True)
    mine = [row for row in rows if json.loads(row.secrets).get("apiKey") in keys]
    # One without a list to speak of is held before it opens.
    return {row.id: int(text) for row in mine if (text := str(row.settings.get("listId", ""))).isdecimal()}


def _remarks(ref: DestinationRef) -> list[str]:
    account = settings.account_behind(ref)
    if account is None:
        return []
    rows = SetAside.objects.filter(account_id=account.id).order_by("-total", "property")
    lines = [
        f"property {row.property}: {row.sentence} (values set aside: {row.total:,}, the last for {row.email})"
        for row in rows
    ]
    try:
        return lines + trait_names.remarks(ref.id, settings.mapping_of(ref))
    except WrongMapping:  # the destination is held for it
        return lines


DEFINITION = Definition(
    kind=KIND,
    names=(NAME,),
    description="Contacts of a Mailjet list, with their properties, kept equal to what Segment knows.",
    accepts=frozenset({"identify", "delete"}),
    fields=(settings.KEY, *settings.SETTINGS),
    open=_open,
    confirm=confirm,
    companions=_companions,
    remarks=_remarks,
    keeper=_keeper,
    tracer=_tracer,
    person=_person,
    contact_book=_contact_book,
    tasks=TASKS,
)
