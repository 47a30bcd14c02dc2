"""The forms of App Connections."""

from collections.abc import Mapping
from typing import Any

from django import forms

from jetbridge.http.addresses import address_problem
from jetbridge.integrations.mailjet import contacts_lists
from jetbridge.integrations.mailjet.accounts import NAME_LENGTH
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.services import email_events
from jetbridge.integrations.mailjet.services.email_events import REGIONS
from jetbridge.spec.email_events import EVENT_NAMES
from jetbridge.spec.outgoing import US

_KEY = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
#: Browsers offer to remember what is typed into a password field; a secret key is no password of this page.
_SECRET = {**_KEY, "autocomplete": "new-password"}

OWN = "own"


def _custom_id_is_user_id() -> forms.BooleanField:
    return forms.BooleanField(
        label="The CustomID of messages is the userId",
        required=False,
        help_text="For senders that put the userId into CustomID (X-MJ-CustomID). Email events are that person's then; those "
        "without a CustomID are, as ever, of the user whom Identify named with the address.",
    )


class AddAccountForm(forms.Form):
    api_key = forms.CharField(label="API key", max_length=64, widget=forms.TextInput(attrs=_KEY))
    secret_key = forms.CharField(
        label="Secret key",
        max_length=200,
        widget=forms.PasswordInput(attrs=_SECRET),
        help_text="Both are at Mailjet under Account settings, REST API, API Key Management.",
    )
    name = forms.CharField(
        max_length=NAME_LENGTH, required=False, help_text="To tell accounts apart, e.g. the name of a shop."
    )
    api_url = forms.CharField(
        label="API address",
        max_length=200,
        initial="https://api.mailjet.com",
        widget=forms.URLInput(attrs=_KEY),
        help_text="Leave it, unless your account is at https://api.us.mailjet.com, or you try the sandbox.",
    )
    custom_id_is_user_id = _custom_id_is_user_id()


class EditAccountForm(forms.Form):
    """Keys stay when they are left empty."""

    name = forms.CharField(max_length=NAME_LENGTH)
    api_key = forms.CharField(
        label="API key", max_length=64, required=False, widget=forms.TextInput(attrs=_KEY)
    )
    secret_key = forms.CharField(
        label="Secret key", max_length=200, required=False, widget=forms.PasswordInput(attrs=_SECRET)
    )
    api_url = forms.CharField(
        label="API address",
        max_length=200,
        required=False,
        widget=forms.URLInput(attrs=_KEY),
        help_text="Another one takes both keys, too: those that are stored are sent to no other address.",
    )
    custom_id_is_user_id = _custom_id_is_user_id()


class ListForm(forms.Form):
    """A list from the drop-down, or the name of a new one."""

    list = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    new_name = forms.CharField(required=False, max_length=contacts_lists.NAME_LENGTH)


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
        widget=forms.PasswordInput(attrs=_SECRET),
    )
    region = forms.ChoiceField(
        choices=[("us", "US"), ("eu", "EU"), (OWN, "Another address")], widget=forms.RadioSelect
    )
    address = forms.CharField(max_length=200, required=False, widget=forms.URLInput(attrs=_KEY))
    events = forms.MultipleChoiceField(
        choices=[(EVENT_NAMES[each], EVENT_NAMES[each]) for each in EVENT_TYPES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean(self) -> None:
        values = self.cleaned_data
        if values.get("write_key") and not self.is_on:
            values["enabled"] = True
        if values.get("region") == OWN and (sentence := address_problem(values.get("address", ""))):
            self.add_error("address", sentence)
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
        return email_events.settings_of(endpoint, values["events"], values["write_key"])


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
