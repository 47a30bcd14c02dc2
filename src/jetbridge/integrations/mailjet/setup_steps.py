"""What a workspace needs until a contact arrives; each step knows by the state of things whether it is done."""

from django.urls import reverse

from jetbridge.control.models import Destination, Workspace
from jetbridge.delivery.report import PAUSED, DestinationReport
from jetbridge.integrations.base import SetupStep
from jetbridge.integrations.mailjet.setup_progress import SetupProgress, progress_of


def steps_of(workspace: Workspace) -> list[SetupStep]:
    way, here = progress_of(workspace), workspace.id
    return [
        _source(way, here),
        _account(way, here),
        _connect(way, here),
        _test(way, here),
        _contact(way, here),
    ]


def _source(way: SetupProgress, here: int) -> SetupStep:
    title = "Add a source"
    what = "Where messages come from: one of Segment's libraries, or a whole Segment workspace."
    if way.source:
        return SetupStep(title, what, "Open the source", _source_page(way, here), done=True)
    return SetupStep(title, what, "Add source", reverse("source-add", args=[here]))


def _account(way: SetupProgress, here: int) -> SetupStep:
    title = "Add your Mailjet account"
    what = "The API key and secret key of the account whose contacts are to be kept up to date."
    if way.account:
        return SetupStep(title, what, "Open the account", _account_page(way, here), done=True)
    return SetupStep(title, what, "Add account", reverse("account-add", args=[here]))


def _connect(way: SetupProgress, here: int) -> SetupStep:
    """It is done on up to four pages, one after the other."""
    title = "Connect Segment and Mailjet"
    if row := way.destination:
        return _connect_destination(title, way, row, here)
    if way.connection:
        what = (
            f"{way.connection.list_name} has an Authentication key and a List ID. Give both to a Mailjet "
            "destination, and enable it."
        )
        return SetupStep(
            title, what, "Copy the key", f"{_account_page(way, here)}#connection-{way.connection.id}"
        )
    what = "Choose the contact list in App Connections, then give its key to a Mailjet destination."
    return SetupStep(title, what, "Choose the list", _account_page(way, here))


def _connect_destination(title: str, way: SetupProgress, row: Destination, here: int) -> SetupStep:
    if not row.enabled:
        what = f"{row.name} is there, but disabled. Enable it."
        return SetupStep(title, what, "Enable", reverse("destination-settings", args=[here, row.id]))
    if way.source and not way.is_joined:
        what = f"{row.name} is enabled, but gets no messages of {way.source.name} yet."
        return SetupStep(title, what, "Connect the source", _source_page(way, here, "#connected"))
    what = f"{row.name} brings what comes from its sources into the contact list."
    return SetupStep(
        title, what, "Open the destination", reverse("destination", args=[here, row.id]), done=True
    )


def _test(way: SetupProgress, here: int) -> SetupStep:
    title = "Send a test"
    what = "One Identify call with an email address, once all is connected. The source has it ready to paste."
    if way.did and way.did.received:
        return SetupStep(title, what, "Send another", _source_page(way, here, "#send"), done=True)
    return SetupStep(title, what, "Send a test", _source_page(way, here, "#send"))


def _contact(way: SetupProgress, here: int) -> SetupStep:
    title, what = "See the contact", "The person is a contact of the list in Mailjet, with all properties."
    if not way.did:
        return SetupStep(title, what, title, reverse("destinations", args=[here]))
    page, trouble = _in_the_way(way.did)
    action = "See why" if trouble else title
    done = bool(way.did.delivered)
    return SetupStep(title, what, action, reverse(page, args=[here, way.did.id]), done, trouble)


def _in_the_way(did: DestinationReport) -> tuple[str, str]:
    """Why there is no contact, and on which page of the destination there is more of it."""
    if did.delivered:
        return "destination-contacts", ""
    if did.state == PAUSED:
        return "destination", f"{did.name} is paused: {did.pause_reason}"
    lost = [
        f"{total:,} {how}" for total, how in ((did.failed, "failed"), (did.filtered, "filtered")) if total
    ]
    if lost:
        return "destination-event-delivery", f"{', '.join(lost)}, none delivered yet."
    return "destination-contacts", ""


def _source_page(way: SetupProgress, here: int, anchor: str = "") -> str:
    return (
        reverse("source", args=[here, way.source.id]) + anchor
        if way.source
        else reverse("sources", args=[here])
    )


def _account_page(way: SetupProgress, here: int) -> str:
    if way.account:
        return reverse("account", args=[here, way.account.id])
    return reverse("app-connections", args=[here])
