"""The form of a destination's settings, built from the settings that its integration declares."""

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

from jetbridge.control.factories import free_name
from jetbridge.control.models import Destination, Source, SourceKind, Workspace
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
from jetbridge.services.destination_settings import ConnectionStep
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted, whole_number

#: Checkboxes of one field; further names are typed.
OFFERED_NAMES = 2_000


class KeyedTexts(forms.Widget):
    """A text field for each name that an object may have. Its value is the object as JSON."""

    use_fieldset = True

    def __init__(self, keys: Mapping[str, str], attrs: Mapping[str, str]) -> None:
        super().__init__(dict(attrs))
        self._keys = keys

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:  # noqa: ARG002 - it is Django's
        texts: dict[str, Any] = {}
        with suppress(UnicodeEncodeError, *JSON_ERRORS):
            stored = read_untrusted(str(value or "{}").encode())
            texts = stored if isinstance(stored, dict) else {}
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


class NameList(forms.Textarea):
    """A text with one name per line, and below it a checkbox for each name that is offered. The text is what the form sends: the
    checkboxes write into it (`name_list.js`).
    """

    def __init__(self, offered: Callable[[], Sequence[OfferedName]], attrs: Mapping[str, Any]) -> None:
        super().__init__(dict(attrs))
        self._offered = offered

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        text = super().render(name, value, attrs, renderer)
        offered, shown, checkboxes = self._offered(), [], 0
        for name_offered in offered:
            checkboxes += 1 + len(name_offered.below)
            if checkboxes > OFFERED_NAMES:
                break
            shown.append(name_offered)
        context = {"field": f"id_{name}", "names": shown, "more": len(offered) - len(shown)}
        return text + render_to_string("console/destinations/_name_list.html", context)


class SettingsForm(forms.Form):
    """Of a new destination, or with `row` of an existing one: then a secret that is left empty stays as it is."""

    name = forms.CharField(
        max_length=200, help_text="The name in Jetbridge. Integrations objects of messages do not use it."
    )
    sources = forms.TypedMultipleChoiceField(
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The sources whose messages it receives.",
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
        self.integration = integration
        self._workspace, self._row = workspace, row
        self.presets = {} if row else {preset.key: preset for preset in integration.presets(workspace.id)}
        self._current = destination_settings.values_of(row) if row else {}
        self._shown = [setting for setting in integration.settings if not row or not setting.tab]
        chosen = {source.id for source in row.chosen_sources} if row else set()
        offered = list(_offered(workspace, integration, chosen))
        super().__init__(data, initial=self._initial(offered))
        self.fields["sources"].choices = [  # type: ignore[attr-defined]
            (source.id, source.name if source.enabled else f"{source.name} (disabled)") for source in offered
        ]
        if self.presets:
            self.fields["preset"] = forms.ChoiceField(
                choices=[
                    *((key, offer.label) for key, offer in self.presets.items()),
                    ("", "Another one: enter its values"),
                ],
                required=False,
                label=integration.preset_label,
                initial=preset if preset in self.presets else next(iter(self.presets)),
                help_text="Its values are taken from there.",
            )
        for setting in self._shown:
            self.fields[setting.name] = self._control(setting)

    @property
    def first(self) -> list[BoundField]:
        return [self[setting.name] for setting in self._shown if not setting.group]

    @property
    def groups(self) -> Iterator[tuple[str, list[BoundField], bool]]:
        """The other settings: heading, fields, and whether a mistake is among them."""
        for group in dict.fromkeys(setting.group for setting in self._shown if setting.group):
            fields = [self[setting.name] for setting in self._shown if setting.group == group]
            yield group, fields, any(field.errors for field in fields)

    @property
    def secrets(self) -> set[str]:
        return {setting.name for setting in self._shown if setting.is_secret}

    @property
    def stored(self) -> set[str]:
        """Secrets that are there already."""
        return {name for name in self.secrets if self._current.get(name)}

    @property
    def etag(self) -> str:
        """Changes with the stored settings."""
        stored = (self.initial.get("name"), self.initial.get("sources"), sorted(self._current.items()))
        return f"{crc32(repr(stored).encode()):08x}" if self._row else ""

    def values(self) -> dict[str, Any]:
        """The settings as typed, valid or not, or of the preset; a secret that was left empty is the stored one."""
        typed: dict[str, Any] = {}
        for setting in self._shown:
            if isinstance(setting, Boolean):
                typed[setting.name] = setting.name in self.data  # browsers send only ticked checkboxes
            elif isinstance(setting, Object) and setting.keys:
                widget = self.fields[setting.name].widget
                typed[setting.name] = widget.value_from_datadict(self.data, self.files, setting.name)
            else:
                typed[setting.name] = self.data.get(setting.name, "")
        typed |= self.preset_values
        return {
            name: self._current.get(name, "") if self._row and name in self.secrets and not value else value
            for name, value in typed.items()
        }

    @property
    def preset_values(self) -> Mapping[str, Any]:
        """Of the chosen preset."""
        chosen = self.presets.get(self.data.get("preset", ""))
        return chosen.values if chosen else {}

    def check_connection(self, upto: str | None = None) -> list[ConnectionStep]:
        """Check the connection with what is typed: all steps, or those up to one. Raises Backpressure."""
        sources = [whole_number(text) or 0 for text in self.data.getlist("sources")]  # type: ignore[attr-defined]
        destination = self._row.id if self._row else 0
        draft = destination_settings.connection_draft(
            self.integration, self._workspace.id, self.values(), destination, sources
        )
        return destination_settings.check_connection(self.integration, draft, upto)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = self._workspace.destinations.filter(name=name)
        if (others.exclude(id=self._row.id) if self._row else others).exists():
            raise forms.ValidationError(f"Another destination is named {name}.")
        return name

    def clean(self) -> dict[str, Any]:
        values = self.values()
        if self.data.get("etag", self.etag) != self.etag:
            self.add_error(
                None,
                "Somebody changed these settings after you opened them. Nothing was saved. Open them in another tab to "
                "compare. Save again to keep what stands here.",
            )
        for name, message in self.integration.problems({**self._current, **values}).items():
            if name in values and name not in self.errors:
                self.add_error(name, message)
        return super().clean() or {}

    def _initial(self, offered: list[Source]) -> dict[str, Any]:
        values = {
            setting.name: self._current.get(setting.name, setting.default)
            if isinstance(setting, Boolean)
            else setting.text(self._current.get(setting.name))
            for setting in self.integration.settings
            if not setting.is_secret
        }
        if self._row:
            return {
                "name": self._row.name,
                "sources": [source.id for source in self._row.chosen_sources],
                **{name: value for name, value in values.items() if not is_empty(value)},
            }
        # Email events where the destination accepts them; else all sources, and for a warehouse all in any case. Nobody means calls
        # of Segment to go back to Segment.
        suggested = [source for source in offered if source.kind in registry.sources()] or offered
        if self.integration.group == base.Group.WAREHOUSES:
            suggested = offered
        switches = {setting.name: setting.default for setting in self._shown if isinstance(setting, Boolean)}
        return {
            "name": free_name(self._workspace.destinations.all(), self.integration.title),
            "sources": [source.id for source in suggested],
            **switches,
        }

    def _control(self, setting: Setting) -> forms.Field:
        control: forms.Field
        if isinstance(setting, Boolean):
            control = forms.BooleanField(required=False)
        elif isinstance(setting, Choice):
            control = forms.ChoiceField(
                choices=list(setting.choices.items()), required=False, initial=setting.default
            )
        else:
            control = forms.CharField(required=False, widget=self._widget(setting), max_length=100_000)
        control.label, control.help_text = setting.label, setting.whole_help
        has_value = (setting.is_secret and self._row) or setting.name in self.preset_values
        control.required = setting.required and is_empty(setting.default) and not has_value
        control.error_messages["required"] = f"{setting.label} is needed."
        if setting.name in self.stored:
            control.help_text = f"{setting.help} Leave it empty to keep the stored one."
        return control

    def _widget(self, setting: Setting) -> forms.Widget:
        attributes: dict[str, Any] = {
            "autocomplete": "off",
            "spellcheck": "false",
            "placeholder": setting.text(setting.default),
        }
        if isinstance(setting, Object) and setting.keys:
            return KeyedTexts(setting.keys, {"autocomplete": "off", "spellcheck": "false"})
        if isinstance(setting, Object) or (isinstance(setting, Text) and setting.multiline):
            if setting.is_secret:
                stored = setting.text(setting.shown(self._current.get(setting.name)))
                attributes |= {"placeholder": stored, "hx-preserve": "true"}
            attributes |= {"rows": 6, "class": "code"}
            if isinstance(setting, Text) and setting.offered is not Text.offered:
                return NameList(partial(setting.offered, self._workspace.id), {**attributes, "rows": 3})
            return forms.Textarea(attrs=attributes)
        if isinstance(setting, Secret):
            stored = str(setting.shown(self._current.get(setting.name))) if self._row else ""
            # A page never contains what was typed there; where the form is swapped, htmx keeps the control as it is.
            extra = {"autocomplete": "new-password", "placeholder": stored, "hx-preserve": "true"}
            return forms.PasswordInput(attrs={**attributes, **extra})
        if isinstance(setting, Integer):
            return forms.NumberInput(attrs={**attributes, "min": setting.minimum, "max": setting.maximum})
        return forms.TextInput(attrs=attributes)


def _offered(
    workspace: Workspace, integration: base.Destination, chosen: Collection[int]
) -> Iterator[Source]:
    """Sources with messages that the destination accepts: email events become track calls and nothing else. Chosen ones are
    offered in any case, or saving would remove them.
    """
    for row in workspace.sources.exclude(kind=SourceKind.ENGAGE).order_by("kind", "name"):
        kind = registry.sources().get(row.kind)
        is_accepted = kind is None or bool(kind.call_types & integration.accepts)
        if row.id in chosen or (row.enabled and is_accepted):
            yield row
