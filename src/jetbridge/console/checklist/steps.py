"""What a workspace needs until a contact arrives; each step knows by the state of things whether it is done."""

from dataclasses import dataclass

from jetbridge.console.log import event_log
from jetbridge.control.models import AppConnection, Source, SourceKind, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.models import Outcome


@dataclass(frozen=True)
class Step:
    """`url_name` is where it is done; `next` says what to press there."""

    title: str
    what: str
    url_name: str
    next: str
    done: bool


def steps_of(workspace: Workspace) -> list[Step]:
    sources = list(workspace.sources.exclude(kind=SourceKind.MAILJET))
    return [
        Step(
            "Add a source",
            "Where messages come from: one of Segment's libraries, or a whole Segment workspace.",
            "sources",
            "Add source",
            bool(sources),
        ),
        Step(
            "Add your Mailjet account",
            "The API key and secret key of the account whose contacts are to be kept up to date.",
            "app-connections",
            "Add account",
            workspace.mailjet_accounts.exists(),
        ),
        Step(
            "Connect Segment and Mailjet",
            "Choose the contacts list in App Connections, then give its Authentication key and List ID to a "
            "Mailjet destination and enable it.",
            "destinations",
            "Connect",
            _is_connected(workspace),
        ),
        Step(
            "Send a test",
            "One Identify call with an email address. The page of the source has it ready to paste.",
            "sources",
            "Send a test",
            _has_messages(sources),
        ),
        Step(
            "See the contact",
            "The person is a contact of the list in Mailjet, with all properties.",
            "destinations",
            "See the contact",
            _has_delivered(workspace),
        ),
    ]


def _is_connected(workspace: Workspace) -> bool:
    return (
        AppConnection.objects.filter(account__workspace=workspace).exists()
        and workspace.destinations.filter(kind="mailjet", enabled=True).exists()
    )


def _has_messages(sources: list[Source]) -> bool:
    with event_log() as log:
        counts = log.counts()
    return any(ledger.accepted_messages(counts, source.id) for source in sources)


def _has_delivered(workspace: Workspace) -> bool:
    destinations = workspace.destinations.filter(kind="mailjet").values_list("id", flat=True)
    rows = Outcome.objects.filter(destination_id__in=list(destinations), outcome=ledger.DELIVERED)
    return rows.filter(total__gt=0).exists()
