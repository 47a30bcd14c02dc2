"""Mailjet as a destination of calls and as a source of email events: what it brings."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from django import conf

from jetbridge.control import directory
from jetbridge.control.directory import AccountRef, DestinationRef
from jetbridge.control.models import AppConnection, MailjetAccount, Workspace
from jetbridge.control.models import Destination as DestinationRow
from jetbridge.control.secret_field import digest
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import destination_consumer
from jetbridge.errors import PermanentError
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.integrations.base import (
    SETTINGS_PAGE,
    Destination,
    EventSummary,
    Finding,
    Group,
    InFlight,
    Link,
    PauseReason,
    Preset,
    Preview,
    Reason,
    RetriedEvents,
    Section,
    SettingsCheck,
    SetupStep,
    Source,
    SourceOwner,
    Tab,
    ThreadSpecs,
    ValueType,
)
from jetbridge.integrations.mailjet import (
    engage_keys,
    key_rotation,
    settings,
    settings_check,
    source_owners,
    threads,
)
from jetbridge.integrations.mailjet.api.errors import RULES
from jetbridge.integrations.mailjet.api.events import InvalidEmailEvent, parse
from jetbridge.integrations.mailjet.checks import checks
from jetbridge.integrations.mailjet.contact_queries import MailjetContactQueries
from jetbridge.integrations.mailjet.contacts import traits, unreadable
from jetbridge.integrations.mailjet.contacts.contact_detail import ContactStatusExplainer, as_object
from jetbridge.integrations.mailjet.contacts.mapping import WrongMapping, trait_name_warnings
from jetbridge.integrations.mailjet.contacts.merge import MailjetDestination
from jetbridge.integrations.mailjet.contacts.queries import former_lists
from jetbridge.integrations.mailjet.contacts.traits import ENGAGE_REASON_HELP
from jetbridge.integrations.mailjet.events import missed_events
from jetbridge.integrations.mailjet.events.reader import retry_failed
from jetbridge.integrations.mailjet.events.track import email_event_to_track
from jetbridge.integrations.mailjet.models import RejectedValue, ReplacedList, TraitName
from jetbridge.integrations.mailjet.open import open_destination
from jetbridge.integrations.mailjet.sync.erasure import ContactErasureHandler
from jetbridge.integrations.mailjet.sync.in_flight import in_flight
from jetbridge.integrations.mailjet.sync.preview import preview_or_offline
from jetbridge.integrations.mailjet.sync.reconcile import AccountEraser, Reconciler
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes
from jetbridge.integrations.mailjet.tasks import TASK_TYPES
from jetbridge.integrations.reasons import PAUSE_REASONS
from jetbridge.spec.emails import normalise_or_keep
from jetbridge.spec.message import Message
from jetbridge.spec.names import property_name
from jetbridge.spec.person import Identity
from jetbridge.spec.untrusted import whole_number

if TYPE_CHECKING:
    from rich.console import RenderableType

KIND = "mailjet"

#: Codes of a key pair that Mailjet rejects, and of an address of its API that leads nowhere.
_REFUSED = {"INVALID_AUTHENTICATION", "FORBIDDEN"}
_ADDRESS = {"INVALID_URL", "ADDRESS_NOT_ALLOWED", "METHOD_NOT_ALLOWED"}
LIST_NOT_FOUND = "LIST_NOT_FOUND"

_MAPPING_PAGE = Link("destination-mapping", "Open the mapping")


_REASONS = (
    Reason(
        "NO_EMAIL",
        "Send the user's address as traits.email; a sample says what was seen instead. The traits are kept, and go to the "
        "contact once a call brings it.",
    ),
    Reason(
        "INVALID_EMAIL",
        "Correct the address where it comes from: the next Identify call makes the contact. The same message, tried again, "
        "fails again.",
    ),
    Reason(
        LIST_NOT_FOUND,
        "Mailjet does not have the list that the call named. Correct the call; or restore the list in Mailjet, and try "
        "again.",
    ),
    Reason("INVALID_SETTINGS", "Correct the listId or the action where the call is made."),
    Reason(
        "INVALID_PROPERTY",
        "Correct the property in Mailjet, or send the trait to another one. Then try again.",
        _MAPPING_PAGE,
    ),
    *(Reason(code, advice) for code, advice in ENGAGE_REASON_HELP.items()),
    Reason(
        "ACCOUNT_REMOVED",
        "The Mailjet account was removed before they were sent. With another one in the settings, a replay reads them again.",
        SETTINGS_PAGE,
    ),
)
#: Other rejections, as docs/mailjet-errors.md has them.
_REFUSALS = {
    rule.code: Reason(rule.code, rule.message)
    for rule in reversed(RULES)
    if rule.error and issubclass(rule.error, PermanentError)
}


class Mailjet(Destination):
    kind = KIND
    title = "Mailjet"
    names = (traits.NAME,)
    description = "Contacts of a Mailjet list, with their properties, kept equal to what Segment knows."
    accepts = frozenset({"identify", "delete"})
    group = Group.EMAIL
    own_settings = (settings.KEY, *settings.SETTINGS)
    api = "jetbridge.integrations.mailjet.routers"
    urls = "jetbridge.integrations.mailjet.console.destination_urls"
    sections = (
        Section(
            "App Connections",
            "connection",
            "app-connections",
            "jetbridge.integrations.mailjet.console.urls",
            "app-connections",
        ),
    )
    tabs = (Tab("Mapping", "destination-mapping"),)
    task_types = TASK_TYPES
    settings_template = "mailjet/_settings_note.html"
    preset_label = "App connection"
    sync_template = "mailjet/_sync.html"
    pause_reasons = (
        *(
            PauseReason(code, "the Authentication key is rejected", "Enter the key in the settings.")
            for code in sorted(_REFUSED)
        ),
        PauseReason(
            "METHOD_NOT_ALLOWED",
            "there is no Mailjet API at the address",
            "Correct the API address of the account in App Connections.",
        ),
        PauseReason(
            LIST_NOT_FOUND, "the contacts list is gone", "The settings offer the lists that are there."
        ),
    )
    reasons = tuple({**_REFUSALS, **{reason.code: reason for reason in _REASONS}}.values())

    def open(self, ref: DestinationRef) -> MailjetDestination:
        return open_destination(ref)

    def background_threads(self, event_log: EventLog) -> ThreadSpecs:  # noqa: ARG002 - they read none
        """They erase where nothing is delivered. Named as the threads that deliver, so that never two of them speak with
        Mailjet about the same contacts.
        """
        return {
            f"reconcile:{account.id}": ((account, "only erasures"), AccountEraser(account).run)
            for account in directory.load_accounts()
        }

    def companion_threads(self, ref: DestinationRef) -> ThreadSpecs:
        account = settings.account_behind(ref)
        if account is None:
            return {}
        unsubscribes = Unsubscribes(account, lambda: _lists_of(account))
        reconciler = Reconciler(
            account,
            lambda: destinations_of(account),
            unsubscribes,
            retry_seconds=conf.settings.CONFIG.retry_seconds,
        )
        return {
            f"reconcile:{account.id}": (account, reconciler.run),
            f"unsubscribes:{account.id}": (account, unsubscribes.run),
        }

    def setup_steps(self, workspace: Workspace) -> Iterable[SetupStep]:
        from jetbridge.integrations.mailjet import setup_steps  # noqa: PLC0415 - the worker shows no pages

        return setup_steps.steps_of(workspace)

    def owned_sources(self, workspace: int) -> dict[int, SourceOwner]:
        return source_owners.owned_sources(workspace)

    def workspace_obstacles(self, workspace: int) -> Iterable[str]:
        rows = MailjetAccount.objects.filter(workspace_id=workspace)
        return [f"The Mailjet account {row} is there." for row in rows]

    def checks(self) -> Iterator[Finding]:
        return checks()

    def in_flight(self) -> Mapping[int, InFlight]:
        return in_flight()

    def lights(self) -> Iterable[Light]:
        return chain(unreadable.lights(), missed_events.lights())

    def presets(self, workspace: int) -> list[Preset]:
        """Its app connections; those that no destination uses come first."""
        rows = AppConnection.objects.filter(account__workspace_id=workspace).select_related("account")
        rows = rows.prefetch_related("source__credentials")
        used = {row.id for row in rows if key_rotation.destinations_with(row)}
        return [
            Preset(
                str(row.id),
                f"{row.list_name} (List ID {row.list_id}), {row.account}",
                {"apiKey": row.authentication_key, "listId": str(row.list_id)},
            )
            for row in sorted(rows, key=lambda row: (row.id in used, row.list_name, row.id))
        ]

    def check_settings(self, workspace: int, values: Mapping[str, Any]) -> SettingsCheck | None:
        return settings_check.check_settings(workspace, values)

    def pause_reason(self, ref: DestinationRef, code: str, message: str) -> PauseReason | None:
        known = super().pause_reason(ref, code, message)
        account = settings.account_behind(ref)
        if account is None or account.workspace != ref.workspace:
            return known
        if code in _REFUSED:
            return PauseReason(
                code,
                "the keys are rejected",
                f"Enter the API key and secret key of {account.name} as they are in Mailjet now.",
                Link("account-edit", "Change the keys", (account.id,)),
            )
        if code in _ADDRESS:
            link = Link("account-edit", "Change the address", (account.id,))
            return replace(known or PAUSE_REASONS[code], link=link)
        if code == LIST_NOT_FOUND and (connection := _connection(ref)):
            return PauseReason(
                code,
                "the contacts list is gone",
                "What waits goes to the list that you choose.",
                Link("account", "Choose another list", (account.id,), f"connection-{connection.id}"),
            )
        return known

    def preview(self, ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:
        if message.type == "delete":
            return Preview(no_request="The person would be forgotten everywhere.")
        result = preview_or_offline(ref, message, offline=offline)
        preview = result.preview
        if preview is None:
            return Preview(error=result.problem)
        no_request = "" if preview.needs_call else "None: Mailjet has it all."
        if preview.outcome != "delivered":
            no_request = "None: see above."
        return Preview(
            preview.request, no_request, "", result.warning, detail=preview, template="mailjet/_tested.html"
        )

    def contact_preview(self, preview: Preview) -> dict[str, Any] | None:
        from jetbridge.integrations.mailjet.routers import mapping  # noqa: PLC0415 - the worker loads no API

        shown = mapping.contact_preview_out(preview.detail)
        return shown.model_dump() if shown else None

    def preview_for_terminal(self, preview: Preview) -> "RenderableType | None":
        from jetbridge.integrations.mailjet.commands import preview_page  # noqa: PLC0415 - the worker prints nothing

        return preview_page.page(preview.detail) if preview.detail else None

    def warnings(self, ref: DestinationRef) -> list[str]:
        account = settings.account_behind(ref)
        if account is None:
            return []
        rows = RejectedValue.objects.filter(account_id=account.id).order_by("-total", "property")
        lines = [
            f"{_what(row.property)}: {row.message} (rejected values: {row.total:,}, the last for {row.email})"
            for row in rows
        ]
        lines += engage_keys.remarks(ref.id)
        try:
            return lines + trait_name_warnings(ref.id, settings.mapping_of(ref))
        except WrongMapping:  # the destination is paused for it
            return lines

    def contact_queries(self, ref: DestinationRef) -> MailjetContactQueries | None:
        account = settings.account_behind(ref)
        default_list = whole_number(ref.settings.get("listId")) or 0
        return MailjetContactQueries(ref.id, account.id, default_list) if account else None

    def engage_property(self, ref: DestinationRef, key: str) -> str:  # noqa: ARG002 - no setting renames it
        return property_name(key)

    def engage_key_problems(
        self, ref: DestinationRef, keys: Mapping[str, ValueType | None], *, offline: bool = False
    ) -> Mapping[str, str]:
        return engage_keys.problems(ref, keys, offline=offline)

    def engage_first_sync_calls(self, ref: DestinationRef, people: int) -> int:  # noqa: ARG002 - the same for all
        return engage_keys.first_sync_calls(people)

    def create_engage_list(self, ref: DestinationRef, name: str) -> int:
        return engage_keys.create_list(ref, name)

    def erasure_handlers(self, workspace: int) -> list[ContactErasureHandler]:
        """One for each account whose keys are stored, whether or not there is a destination for it."""
        refs = [ref for ref in directory.destinations_of(workspace) if ref.kind == self.kind]
        accounts = {row.id: row for row in directory.load_accounts() if row.workspace == workspace}
        accounts |= {account.id: account for ref in refs if (account := settings.account_behind(ref))}
        readers = [destination_consumer(ref.id) for ref in refs]
        return [ContactErasureHandler(readers, account.id, account.name) for account in accounts.values()]

    def delete_records(self, destination: int) -> None:
        """Contacts belong to the account and stay with it."""
        TraitName.objects.filter(destination_id=destination).delete()
        ReplacedList.objects.filter(destination_id=destination).delete()

    def status_explainer(self, ref: DestinationRef) -> ContactStatusExplainer | None:
        account = settings.account_behind(ref)
        if account is None:
            return None
        default_list = whole_number(ref.settings.get("listId")) or 0
        return ContactStatusExplainer(ref.id, account.id, default_list, former_lists(ref.id))

    def person(self, ref: DestinationRef, identity: Identity) -> list[dict[str, Any]]:
        tracer = self.status_explainer(ref)
        return [as_object(contact) for contact in tracer.contacts_to_show(identity)] if tracer else []


class MailjetEvents(Source):
    kind = KIND
    title = "Mailjet events"
    description = "Email events of a Mailjet account, as track calls."
    call_types = frozenset({"track"})

    def background_threads(self, event_log: EventLog) -> ThreadSpecs:
        return threads.threads(event_log)

    def describe_event(self, body: bytes) -> EventSummary | None:
        try:
            event, _ = parse(body)
        except InvalidEmailEvent:
            return None
        return EventSummary(event.event, event.email or "")

    def call_of_event(self, record: Record) -> Message | None:
        try:
            event, parsed = parse(record.body)
        except InvalidEmailEvent:
            return None
        email = normalise_or_keep(event.email or "")
        received_at = datetime.fromtimestamp(record.received_at / 1000, UTC)
        return email_event_to_track(event, parsed, email=email, user_id=None, received_at=received_at)

    def retry_failed_events(self, event_log: EventLog) -> Iterator[RetriedEvents]:
        for account in directory.load_accounts():
            total = retry_failed(event_log, account.event_source)
            yield RetriedEvents(account.id, account.name, total)


def destinations_of(account: AccountRef) -> dict[int, int]:
    """The enabled destinations that depend on an account, with their lists."""
    rows_of_keys = directory.valid_credentials().filter(source__app_connection__account_id=account.id)
    keys = set(rows_of_keys.values_list("secret", flat=True))
    rows = DestinationRow.objects.filter(kind=KIND, enabled=True)
    mine = [row for row in rows if json.loads(row.secrets).get("apiKey") in keys]
    # One without a list to speak of is paused before it opens.
    return {row.id: list_id for row in mine if (list_id := whole_number(row.settings.get("listId")))}


def _lists_of(account: AccountRef) -> set[int]:
    """Those of its destinations, and those that follow audiences."""
    destinations = destinations_of(account)
    return {*destinations.values(), *engage_keys.lists_of(destinations)}


def _connection(ref: DestinationRef) -> AppConnection | None:
    """The app connection whose key it uses, if it is set to the list of that, too, and the workspace has it."""
    rows = directory.connections_of(digest(ref.secrets.get("apiKey", "")))
    rows = rows.filter(account__workspace=ref.workspace)
    return next((row for row in rows if str(row.list_id) == str(ref.settings.get("listId"))), None)


#: Characters of a name in a warning: who sends calls chooses names of any length.
_SHOWN = 100


def _what(name: str) -> str:
    trait = name.removeprefix(traits.OF_TRAIT)
    shown = trait if len(trait) <= _SHOWN else f"{trait[:_SHOWN]}…"
    return f"property {shown}" if trait == name else f"trait {shown}"


MAILJET = Mailjet()
INTEGRATIONS = (MAILJET, MailjetEvents())
