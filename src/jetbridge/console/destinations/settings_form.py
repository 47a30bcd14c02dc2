"""The form of a destination's settings, made from what its integration declares."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from zlib import crc32

from django import forms
from django.forms import BoundField
from django.forms.utils import flatatt
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.control.new_rows import free_name
from jetbridge.integrations import base, registry
from jetbridge.integrations.setting import (
    Boolean,
    Choice,
    Integer,
    Object,
    OfferedName,
    Secret,
    Setting,
    Text,
    is_empty,
)
from jetbridge.services import destination_settings
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted

#: Checkboxes of one field; further names are typed.
OFFERED_NAMES = 2_000


class KeyedTexts(forms.Widget):
    """A text field for each name that an object may have. Its value is the object as JSON."""

    use_fieldset = True

    def __init__(self, keys: Mapping[str, str], attrs: Mapping[str, str]) -> None:
        super().__init__(dict(attrs))
        self._keys = keys

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:  # noqa: ARG002 - it is Django's
        texts = _json_object(value)
        extra = flatatt({**self.attrs, "aria-describedby": (attrs or {}).get("aria-describedby")})
        rows = (
            (f"id_{name}.{key}", key, f"{name}.{key}", str(texts.get(key, "")), placeholder, extra)
            for key, placeholder in self._keys.items()
        )
        return format_html_join(
            "",
            '<div class="keyed"><label for="{0}"><code>{1}</code></label>'
            '<input type="text" id="{0}" name="{2}" value="{3}" placeholder="{4}"{5}></div>',
            rows,
        )

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> str:  # noqa: ARG002 - it is Django's
        if name in data:
            return str(data[name])
        texts = {key: text for key in self._keys if (text := str(data.get(f"{name}.{key}", "")).strip())}
        return json.dumps(texts) if texts else ""


class LeftOut(forms.Textarea):
    """A text with names of what is left out, and below it a checkbox for each name that is offered. The text is what is sent: the
    checkboxes write into it (`left_out.js`).
    """

    def __init__(self, offered: Callable[[], Sequence[OfferedName]], attrs: Mapping[str, Any]) -> None:
        super().__init__(dict(attrs))
        self._offered = offered

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        text = super().render(name, value, attrs, renderer)
        offered, shown, room = self._offered(), [], OFFERED_NAMES
        for each in offered:
            room -= 1 + len(each.below)
            if room < 0:
                break
            shown.append(each)
        context = {"field": f"id_{name}", "names": shown, "more": len(offered) - len(shown)}
        return text + render_to_string("console/destinations/_left_out.html", context)


def _json_object(text: Any) -> dict[str, Any]:
    with suppress(UnicodeEncodeError, *JSON_ERRORS):
        found = read_untrusted(str(text or "{}").encode())
        if isinstance(found, dict):
            return found
    return {}


class SettingsForm(forms.Form):
    """Of a new destination, or with `row` of one that is there: then a secret that is left empty stays as it is."""

    name = forms.CharField(
        max_length=200, help_text="What it is called here. The integrations object does not see it."
    )
    sources = forms.TypedMultipleChoiceField(
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Where its messages come from.",
    )

    def __init__(
        self,
        workspace: Workspace,
        integration: base.Destination,
        row: Destination | None = None,
        data: Mapping[str, Any] | None = None,
        *,
        preset: str = "",
    ) -> None:
        """`preset`: the one that is offered first."""
        self._workspace, self._integration, self._row = workspace, integration, row
        self.presets = {} if row else {each.key: each for each in integration.presets(workspace.id)}
        self._current = destination_settings.values_of(row) if row else {}
        self._shown = [each for each in integration.settings if not row or not each.tab]
        chosen = {source.id for source in row.chosen_sources} if row else set()
        offered = list(_offered(workspace, integration, chosen))
        super().__init__(data, initial=self._initial(offered))
        choices = [(each.id, each.name if each.enabled else f"{each.name} (disabled)") for each in offered]
        self.fields["sources"].choices = choices  # type: ignore[attr-defined]
        if self.presets:
            self.fields["preset"] = self._preset_field(preset)
        for each in self._shown:
            self.fields[each.name] = self._control(each)

    @property
    def first(self) -> list[BoundField]:
        return [self[each.name] for each in self._shown if not each.group]

    @property
    def groups(self) -> Iterator[tuple[str, list[BoundField], bool]]:
        """The other settings: heading, fields, and whether a mistake is among them."""
        for group in dict.fromkeys(each.group for each in self._shown if each.group):
            fields = [self[each.name] for each in self._shown if each.group == group]
            yield group, fields, any(field.errors for field in fields)

    @property
    def secrets(self) -> set[str]:
        return {each.name for each in self._shown if each.is_secret}

    @property
    def stored(self) -> set[str]:
        """Secrets that are there already."""
        return {name for name in self.secrets if self._current.get(name)}

    @property
    def mark(self) -> str:
        """Another one when what is stored has changed."""
        stored = (self.initial.get("name"), self.initial.get("sources"), sorted(self._current.items()))
        return f"{crc32(repr(stored).encode()):08x}" if self._row else ""

    def values(self) -> dict[str, Any]:
        """The settings as typed, good or not, or of the preset; a secret that was left empty is the one that is stored."""
        typed = {each.name: self._typed(each) for each in self._shown} | dict(self.preset_values)
        return {
            name: self._current.get(name, "") if self._row and name in self.secrets and not value else value
            for name, value in typed.items()
        }

    @property
    def preset_values(self) -> Mapping[str, Any]:
        """Of the one that is chosen."""
        chosen = self.presets.get(self.data.get("preset", ""))
        return chosen.values if chosen else {}

    def _preset_field(self, wanted: str) -> forms.Field:
        return forms.ChoiceField(
            choices=[
                *((each.key, each.label) for each in self.presets.values()),
                ("", "Another one: enter its values"),
            ],
            required=False,
            label=self._integration.preset_label,
            initial=wanted if wanted in self.presets else next(iter(self.presets)),
            help_text="What it needs is taken from there.",
        )

    def _typed(self, each: Setting) -> Any:
        if isinstance(each, Boolean):
            return each.name in self.data  # what is not ticked is not sent
        if isinstance(each, Object) and each.keys:
            return self.fields[each.name].widget.value_from_datadict(self.data, self.files, each.name)
        return self.data.get(each.name, "")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = self._workspace.destinations.filter(name=name)
        if (others.exclude(id=self._row.id) if self._row else others).exists():
            raise forms.ValidationError(f"Another destination is named {name}.")
        return name

    def clean(self) -> dict[str, Any]:
        values = self.values()
        if self.data.get("seen", self.mark) != self.mark:
            self.add_error(
                None,
                "Somebody changed these settings since you opened them, and nothing was saved. Open them in another tab "
                "to compare; Save takes what stands here.",
            )
        for name, sentence in self._integration.problems({**self._current, **values}).items():
            if name in values and name not in self.errors:
                self.add_error(name, sentence)
        return super().clean() or {}

    def _initial(self, offered: list[Source]) -> dict[str, Any]:
        values = {
            each.name: self._current.get(each.name, each.default)
            if isinstance(each, Boolean)
            else each.text(self._current.get(each.name))
            for each in self._integration.settings
            if not each.is_secret
        }
        if self._row:
            return {
                "name": self._row.name,
                "sources": [each.id for each in self._row.chosen_sources],
                **{name: value for name, value in values.items() if not is_empty(value)},
            }
        own = {each.name: each.default for each in self._shown if isinstance(each, Boolean)}
        return {
            "name": free_name(self._workspace.destinations.all(), self._integration.title),
            "sources": [each.id for each in _suggested(self._integration, offered)],
            **own,
        }

    def _control(self, each: Setting) -> forms.Field:
        control: forms.Field
        if isinstance(each, Boolean):
            control = forms.BooleanField(required=False)
        elif isinstance(each, Choice):
            control = forms.ChoiceField(
                choices=list(each.choices.items()), required=False, initial=each.default
            )
        else:
            control = forms.CharField(required=False, widget=self._widget(each), max_length=100_000)
        control.label, control.help_text = each.label, each.whole_help
        is_there = (each.is_secret and self._row) or each.name in self.preset_values
        control.required = each.required and is_empty(each.default) and not is_there
        control.error_messages["required"] = f"{each.label} is needed."
        if each.name in self.stored:
            control.help_text = f"{each.help} Leave it empty to keep the one that is stored."
        return control

    def _widget(self, each: Setting) -> forms.Widget:
        attributes: dict[str, Any] = {
            "autocomplete": "off",
            "spellcheck": "false",
            "placeholder": each.text(each.default),
        }
        if isinstance(each, Object) and each.keys:
            return KeyedTexts(each.keys, {"autocomplete": "off", "spellcheck": "false"})
        if isinstance(each, Object) or (isinstance(each, Text) and each.multiline):
            if each.is_secret:
                stored = each.text(each.shown(self._current.get(each.name)))
                attributes |= {"placeholder": stored, "hx-preserve": "true"}
            attributes |= {"rows": 6, "class": "code"}
            if isinstance(each, Text) and each.offered is not Text.offered:
                return LeftOut(partial(each.offered, self._workspace.id), {**attributes, "rows": 3})
            return forms.Textarea(attrs=attributes)
        if isinstance(each, Secret):
            stored = str(each.shown(self._current.get(each.name))) if self._row else ""
            # Nothing typed there comes back in a page; where the form is swapped, htmx keeps the control as it is.
            extra = {"autocomplete": "new-password", "placeholder": stored, "hx-preserve": "true"}
            return forms.PasswordInput(attrs={**attributes, **extra})
        if isinstance(each, Integer):
            return forms.NumberInput(attrs={**attributes, "min": each.minimum, "max": each.maximum})
        return forms.TextInput(attrs=attributes)


def _offered(
    workspace: Workspace, integration: base.Destination, chosen: Collection[int]
) -> Iterator[Source]:
    """Sources that bring what the destination accepts: email events become track calls and nothing else. Those
    that are chosen are offered in any case, or saving would take them away.
    """
    for row in workspace.sources.exclude(kind=SourceKind.ENGAGE).order_by("kind", "name"):
        kind = registry.sources().get(row.kind)
        brings_something = kind is None or bool(kind.call_types & integration.accepts)
        if row.id in chosen or (row.enabled and brings_something):
            yield row


def _suggested(integration: base.Destination, offered: list[Source]) -> list[Source]:
    """Email events where they are welcome; else all, and a warehouse is for all. Nobody means calls of Segment to go back to
    Segment.
    """
    if integration.group == base.Group.WAREHOUSES:
        return offered
    events = [row for row in offered if row.kind in registry.sources()]
    return events or offered
