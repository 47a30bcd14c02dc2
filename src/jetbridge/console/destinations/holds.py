"""What a hold means and where a person mends it, by its code. docs/operating.md has the same table."""

from typing import NamedTuple

from django.urls import reverse

from jetbridge.control.directory import AccountRef, account_of_authentication_key
from jetbridge.control.models import Destination, Workspace
from jetbridge.control.secret_field import digest
from jetbridge.delivery import ledger
from jetbridge.delivery.ledger import FAILURE_RATIO
from jetbridge.delivery.models import Reading
from jetbridge.destinations import changes
from jetbridge.destinations.mailjet.definition import KIND as MAILJET

RELEASE = "Release"


class Advice(NamedTuple):
    """`url` and `action` lead to the page where it is mended. `release` is what the button says."""

    title: str
    sentence: str
    url: str
    action: str
    release: str = RELEASE


class _Row(NamedTuple):
    """`url_name` takes the destination's id if it begins with "destination"."""

    title: str
    sentence: str
    url_name: str
    action: str
    release: str = RELEASE


_SETTINGS = ("destination-settings", "Open settings")
_DELIVERY = ("destination-event-delivery", "See the reasons")

_ADVICE = {
    "LIST_NOT_FOUND": _Row(
        "the contacts list is gone", "The settings offer the lists that are there.", *_SETTINGS
    ),
    "INVALID_SETTINGS": _Row("a setting leads nowhere", "Correct the setting that is named.", *_SETTINGS),
    "WRONG_ADDRESS": _Row("an address leads nowhere", "Correct the address that is named.", *_SETTINGS),
    FAILURE_RATIO: _Row(
        "nearly everything is refused",
        "The first message that gets through ends it. Released, messages may fail until then.",
        *_DELIVERY,
        "Release and accept failures",
    ),
    "RETRIES_EXHAUSTED": _Row(
        "nothing has gone through for hours",
        "Look at the last trouble, and at the other side. Nothing has to be done here.",
        *_DELIVERY,
        "Try now",
    ),
}
#: INVALID_SETTINGS begins with the label of the setting; these have tabs of their own.
_TABS = {
    "Mapping": ("destination-mapping", "Open the mapping"),
    "Filters": ("destination-filters", "Open the filters"),
}
_REFUSED = "INVALID_AUTHENTICATION", "FORBIDDEN"
_UNKNOWN_KEY = _Row("the Authentication key is refused", "Enter the key in the settings.", *_SETTINGS)
_WRITE_KEY = _Row("the write key is refused", "Enter the write key of a Segment source again.", *_SETTINGS)
_OTHER = _Row("it cannot go on", "Remove the cause, then release it.", *_SETTINGS)


def advice(row: Destination, code: str, reason: str) -> Advice:
    if code in _REFUSED and row.kind == MAILJET and (account := _account(row)):
        return _of_account(row, account)
    found = _row(row, code)
    tab = _TABS.get(reason.partition(":")[0]) if code == "INVALID_SETTINGS" else None
    url_name, action = tab or (found.url_name, found.action)
    url = reverse(url_name, args=[row.workspace_id, row.id])
    return Advice(found.title, found.sentence, url, action, found.release)


def held(workspace: Workspace) -> list[Destination]:
    """Those that are held now, by name. One query where none is."""
    readers = Reading.objects.exclude(hold_code="").values_list("reader", flat=True)
    if not (found := set(readers)):
        return []
    rows = workspace.destinations.filter(enabled=True).order_by("name")
    return [row for row in rows if ledger.destination_reader(row.id) in found]


def _of_account(row: Destination, account: AccountRef) -> Advice:
    return Advice(
        "the keys are refused",
        f"Enter the API key and secret key of {account.name} as they are in Mailjet now.",
        reverse("account-edit", args=[row.workspace_id, account.id]),
        "Change the keys",
    )


def _account(row: Destination) -> AccountRef | None:
    """The Mailjet account whose keys it uses, if the workspace has it."""
    key = changes.values_of(row).get("apiKey", "")
    found = account_of_authentication_key(digest(key)) if key else None
    return found if found and found.workspace == row.workspace_id else None


def _row(row: Destination, code: str) -> _Row:
    if code in _REFUSED:
        return _UNKNOWN_KEY if row.kind == MAILJET else _WRITE_KEY
    return _ADVICE.get(code, _OTHER)
