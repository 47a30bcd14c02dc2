"""The forms of App Connections."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms

from jetbridge.destinations.segment.definition import EU, US
from jetbridge.mailjet.events import EVENT_TYPES
from jetbridge.sources.mailjet.track import EVENT_NAMES

_KEY = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
#: Browsers offer to remember what is typed into a password field; a secret key is no password of this page.
_SECRET = {**_KEY, "autocomplete": "new-password"}

REGIONS = {"us": US, "eu": EU}
OWN = "own"


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise forms.ValidationError("This is no address such as https://api.mailjet.com.")
    return text.rstrip("/")


class AddAccountForm(forms.Form):
    api_key = forms.CharField(label="API key", max_length=64, widget=forms.TextInput(attrs=_KEY))
    secret_key = forms.CharField(
        label="Secret key",
        max_length=200,
        widget=forms.PasswordInput(attrs=_SECRET),
        help_text="Both are at Mailjet under Account settings, REST API, API Key Management.",
    )
    name = forms.CharField(
        max_length=180, required=False, help_text="To tell accounts apart, e.g. the name of a shop."
    )
    api_url = forms.CharField(
        label="API address",
        max_length=200,
        initial="https://api.mailjet.com",
        widget=forms.URLInput(attrs=_KEY),
        help_text="Leave it, unless your account is at https://api.us.mailjet.com, or you try the sandbox.",
    )

    def clean_api_url(self) -> str:
        return _address(self.cleaned_data["api_url"])


class EditAccountForm(forms.Form):
    """Keys stay when they are left empty."""

    name = forms.CharField(max_length=180)
    api_key = forms.CharField(
        label="API key", max_length=64, required=False, widget=forms.TextInput(attrs=_KEY)
    )
    secret_key = forms.CharField(
        label="Secret key", max_length=200, required=False, widget=forms.PasswordInput(attrs=_SECRET)
    )

    def clean(self) -> None:
        values = self.cleaned_data
        if values.get("api_key") and not values.get("secret_key"):
            self.add_error("secret_key", "Enter the secret key that belongs to the new API key.")


class ListForm(forms.Form):
    """A list from the drop-down, or the name of a new one."""

    list = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    new_name = forms.CharField(required=False, max_length=150)

    def clean(self) -> None:
        if not self.cleaned_data.get("list") and not self.cleaned_data.get("new_name"):
            raise forms.ValidationError("Choose a contact list, or give a new one a name.")


class EventsForm(forms.Form):
    """The switch, and the settings of the Segment destination behind it."""

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
        if values.get("region") == OWN:
            try:
                values["address"] = _address(values.get("address", ""))
            except forms.ValidationError as error:
                self.add_error("address", error)
        if values.get("enabled") and not values.get("events"):
            self.add_error("events", "Choose at least one event, or switch sending off.")

    @property
    def settings(self) -> dict[str, str]:
        """Of the Segment destination. A write key that is left empty stays."""
        values = self.cleaned_data
        all_of_them = len(values["events"]) in {0, len(EVENT_TYPES)}
        chosen = "" if all_of_them else ", ".join(values["events"])
        settings = {"endpoint": REGIONS.get(values["region"]) or values["address"], "events": chosen}
        return settings | ({"writeKey": values["write_key"]} if values["write_key"] else {})


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
