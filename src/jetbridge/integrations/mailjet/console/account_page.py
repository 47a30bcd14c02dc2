"""The page of an account: its app connections with their lists, and the form of its email events.

Several views show it: plain, with a key revealed, with a form that was rejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest
from jetbridge.control.models import AppConnection, Destination, MailjetAccount
from jetbridge.errors import DeliveryError
from jetbridge.http.addresses import address_problem
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.accounts import REGIONS, masked
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.contacts_lists import LISTS, matches
from jetbridge.integrations.mailjet.events import callbacks
from jetbridge.integrations.mailjet.key_rotation import Use, uses_of
from jetbridge.integrations.setting import MASK
from jetbridge.services.destination_settings import values_of
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.outgoing import US
from jetbridge.text import pluralize

#: Attributes of fields for keys.
KEY_FIELD = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
#: Browsers offer to remember what is typed into a password field; a secret key is no password of this page.
SECRET_FIELD = {**KEY_FIELD, "autocomplete": "new-password"}

OWN = "own"

#: More lists than this are searched; more than SHOWN are not shown at once.
SEARCHED, SHOWN = 25, 200


@dataclass(frozen=True)
class Option:
    id: int
    name: str
    note: str = ""


@dataclass(frozen=True)
class Picker:
    """`total` None: the lists are not loaded yet. `matching`: how many of them match the search."""

    account: MailjetAccount
    connection: AppConnection | None
    options: list[Option]
    chosen: int | None = None
    query: str = ""
    total: int | None = None
    matching: int = 0
    error: str = ""
    #: Mailjet has no such list any more as that of the connection.
    is_gone: bool = False

    @property
    def is_there(self) -> bool:
        """The lists are loaded, and that of the connection is among them."""
        return self.total is not None and not self.is_gone

    @property
    def key(self) -> str:
        """Tells the pickers of a page apart."""
        return str(self.connection.id) if self.connection else "new"

    @property
    def is_searched(self) -> bool:
        return (self.total or 0) > SEARCHED

    @property
    def hidden(self) -> int:
        return max(0, self.matching - SHOWN)


def empty_picker(account: MailjetAccount, connection: AppConnection | None = None) -> Picker:
    """Before the lists are loaded: it has the list of the connection alone."""
    options = [Option(connection.list_id, connection.list_name)] if connection else []
    return Picker(account, connection, options, connection.list_id if connection else None)


def load_picker(account: MailjetAccount, connection: AppConnection | None = None, query: str = "") -> Picker:
    """With the lists that Mailjet has now, of which the query is a part of the name or the ID."""
    empty = empty_picker(account, connection)
    try:
        rows = LISTS.of(account)
    except DeliveryError as error:
        return replace(empty, query=query, error=str(error))
    matching = [row for row in rows if matches(row, query)]
    options = [
        Option(row.id, row.name, pluralize(row.subscriber_count, "contact")) for row in matching[:SHOWN]
    ]
    is_gone = connection is not None and connection.list_id not in {row.id for row in rows}
    # The list of the connection stays in the choice where the search does not show it.
    ids = {option.id for option in options}
    current = [] if is_gone else [option for option in empty.options if option.id not in ids]
    return Picker(
        account,
        connection,
        current + options,
        None if is_gone else empty.chosen,
        query,
        len(rows),
        len(matching),
        is_gone=is_gone,
    )


@dataclass(frozen=True)
class Block:
    """The Segment block of an app connection. `key` is masked unless it is revealed."""

    connection: AppConnection
    picker: Picker
    uses: list[Use]
    key: str = field(default=MASK, repr=False)

    @property
    def id(self) -> str:
        """Tells the parts of the page apart."""
        return str(self.connection.id)

    @property
    def revealed(self) -> bool:
        return self.key != MASK

    @property
    def in_grace(self) -> bool:
        return self.connection.previous_key_until is not None

    @property
    def is_local(self) -> bool:
        """Segment cannot reach this Jetbridge."""
        return callbacks.is_this_machine(settings.CONFIG.public_url)

    @property
    def subscription_url(self) -> str:
        return accounts.subscription_url(settings.CONFIG.public_url)

    @property
    def webhooks_url(self) -> str:
        return accounts.webhooks_url(settings.CONFIG.public_url, self.connection)


def blocks_of(
    account: MailjetAccount, *, revealed: int | None = None, load_lists: bool = False, query: str = ""
) -> list[Block]:
    """All of an account, with the key of the `revealed` one. `load_lists` loads the lists that match from Mailjet."""
    destinations = _destinations(account)
    return [
        Block(
            row,
            load_picker(account, row, query) if load_lists else empty_picker(account, row),
            uses_of(row, destinations),
            row.authentication_key if row.id == revealed else MASK,
        )
        for row in account.app_connections.prefetch_related("source__credentials").order_by("id")
    ]


def block_of(connection: AppConnection, picker: Picker, key: str = MASK) -> Block:
    destinations = _destinations(connection.account)
    return Block(connection, picker, uses_of(connection, destinations), key)


def _destinations(account: MailjetAccount) -> list[Destination]:
    return list(account.workspace.destinations.filter(kind="mailjet").order_by("name"))


class EventsForm(forms.Form):
    """The switch, and the settings of the Segment destination behind it.

    A write key that is pasted while sending is off switches it on: that is what people paste it for (Segment's
    documentation of the destination). `is_on`: whether events are sent now.
    """

    enabled = forms.BooleanField(
        label="Send email events to Segment",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "switch", "role": "switch"}),
    )
    write_key = forms.CharField(
        label="Write key",
        max_length=200,
        required=False,
        widget=forms.PasswordInput(attrs=SECRET_FIELD),
    )
    region = forms.ChoiceField(
        choices=[("us", "US"), ("eu", "EU"), (OWN, "Another address")], widget=forms.RadioSelect
    )
    address = forms.CharField(max_length=200, required=False, widget=forms.URLInput(attrs=KEY_FIELD))
    events = forms.MultipleChoiceField(
        choices=[(EVENT_NAMES[event_type], EVENT_NAMES[event_type]) for event_type in EVENT_TYPES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean(self) -> None:
        values = self.cleaned_data
        if values.get("write_key") and not self.is_on:
            values["enabled"] = True
        if values.get("region") == OWN and (problem := address_problem(values.get("address", ""))):
            self.add_error("address", problem)
        if values.get("enabled") and not values.get("events"):
            self.add_error("events", "Choose at least one event, or switch sending off.")

    def __init__(self, *args: Any, is_on: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_on = is_on

    @property
    def settings(self) -> dict[str, str]:
        """Of the Segment destination. A write key that is left empty stays."""
        values = self.cleaned_data
        endpoint = values["address"] if values["region"] == OWN else values["region"]
        return accounts.event_settings(endpoint, values["events"], values["write_key"])


def events_initial(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the form shows of these settings; of none: everything, to the US."""
    endpoint = str((settings or {}).get("endpoint") or US)
    region = next((name for name, url in REGIONS.items() if url == endpoint), OWN)
    named = [name.strip() for name in str((settings or {}).get("events") or "").split(",")]
    return {
        "region": region,
        "address": endpoint if region == OWN else "",
        "events": [name for name in named if name] or list(EVENT_NAMES.values()),
    }


def show(
    request: MemberRequest,
    account: MailjetAccount,
    *,
    revealed: int | None = None,
    load_lists: bool = False,
    query: str = "",
    events_form: EventsForm | None = None,
    status: int = 200,
) -> HttpResponse:
    LISTS.forget(account)  # the page shows what is in Mailjet now
    blocks = blocks_of(account, revealed=revealed, load_lists=load_lists, query=query)
    context = {
        "account": account,
        "api_key": masked(account.api_key),
        "blocks": blocks,
        "new_list": load_picker(account, None, query) if load_lists else empty_picker(account),
        **events_context(account, events_form),
    }
    return render(request, "mailjet/app_connections/account.html", context, status=status)


def events_context(account: MailjetAccount, form: EventsForm | None = None) -> dict[str, Any]:
    """For the part about email events: the form, and the destinations behind it."""
    destinations = accounts.event_destinations(account)
    first = destinations[0] if destinations else None
    stored = values_of(first) if first else None
    initial = {**events_initial(stored), "enabled": bool(first and first.enabled)}
    has_write_key = bool(stored and stored.get("writeKey"))
    form = form or EventsForm(initial=initial)
    if has_write_key:
        form.fields["write_key"].widget.attrs["placeholder"] = MASK
    return {
        "events_form": form,
        "event_destination": first,
        "other_event_destinations": destinations[1:],
        "has_write_key": has_write_key,
    }
