"""What the Mailjet destination declares about itself. Fields: Segment's catalogue entry for Mailjet."""

import json
from collections.abc import Mapping

from jetbridge.control.directory import AccountRef, DestinationRef, account_of_authentication_key
from jetbridge.control.models import AppConnection, Destination
from jetbridge.control.secret_field import digest
from jetbridge.delivery.threads import Runnable
from jetbridge.destinations.definition import Definition, Field
from jetbridge.destinations.mailjet.fold import MailjetDestination
from jetbridge.destinations.mailjet.models import SetAside
from jetbridge.destinations.mailjet.reconcile import Reconciler
from jetbridge.destinations.mailjet.traits import NAME, UNSUBSCRIBED, list_id_of
from jetbridge.errors import HoldError, MessageRejected

KIND = "mailjet"


def _open(ref: DestinationRef) -> MailjetDestination:
    account = _account(ref)
    if account is None:
        raise HoldError(
            "INVALID_AUTHENTICATION",
            "The Authentication key belongs to no app connection here. Copy it again from App Connections.",
        )
    try:
        list_id = list_id_of(ref.settings.get("listId", ""))
    except MessageRejected as error:
        raise HoldError("INVALID_SETTINGS", f"{error} Enter the List ID shown on App Connections.") from error
    trait = str(ref.settings.get("unsubscribedTrait") or UNSUBSCRIBED)
    return MailjetDestination(ref.id, account.id, list_id, unsubscribed_trait=trait)


def _account(ref: DestinationRef) -> AccountRef | None:
    return account_of_authentication_key(digest(ref.secrets.get("apiKey", "")))


def _companions(ref: DestinationRef) -> Mapping[str, tuple[object, Runnable]]:
    account = _account(ref)
    if account is None:
        return {}
    reconciler = Reconciler(account, lambda: _destinations_of(account))
    return {f"reconcile:{account.id}": (account, reconciler.run)}


def _destinations_of(account: AccountRef) -> dict[int, int]:
    """The enabled destinations that depend on an account, with their lists."""
    keys = {row.authentication_key for row in AppConnection.objects.filter(account_id=account.id).iterator()}
    rows = Destination.objects.filter(kind=KIND, enabled=True)
    mine = [row for row in rows if json.loads(row.secrets).get("apiKey") in keys]
    # One without a list to speak of is held before it opens.
    return {row.id: int(text) for row in mine if (text := str(row.settings.get("listId", ""))).isdecimal()}


def _remarks(ref: DestinationRef) -> list[str]:
    account = _account(ref)
    if account is None:
        return []
    rows = SetAside.objects.filter(account_id=account.id).order_by("-total", "property")
    return [
        f"property {row.property}: {row.sentence} (values set aside: {row.total:,}, the last for {row.email})"
        for row in rows
    ]


DEFINITION = Definition(
    kind=KIND,
    names=(NAME,),
    description="Contacts of a Mailjet list, with their properties, kept equal to what Segment knows.",
    accepts=frozenset({"identify"}),
    fields=(
        Field(
            "apiKey",
            "Authentication key",
            "Your Mailjet Authentication key, from Account → App Connections → Segment.",
            secret=True,
        ),
        Field(
            "listId",
            "List ID",
            "The default list id for which contacts will be associated with.",
            default="1",
        ),
        Field(
            "unsubscribedTrait",
            "Unsubscribed trait",
            "The trait that says, when true, that a person has unsubscribed from the list.",
            required=False,
            default=UNSUBSCRIBED,
        ),
    ),
    open=_open,
    companions=_companions,
    remarks=_remarks,
)
