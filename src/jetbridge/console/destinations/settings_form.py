"""The form of a destination's settings, made from what its definition declares."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from zlib import crc32

from django import forms
from django.forms import BoundField

from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.destinations import changes
from jetbridge.destinations.definition import Definition
from jetbridge.destinations.field import Field
from jetbridge.destinations.filters import FILTERS

#: Groups of settings that a destination has tabs for, once it is there.
TABS = {"Mapping", FILTERS.group}


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
        definition: Definition,
        row: Destination | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self._definition, self._row = definition, row
        self._current = changes.values_of(row) if row else {}
        self._shown = [each for each in definition.fields if not row or each.group not in TABS]
        chosen = set(row.sources.values_list("id", flat=True)) if row else set()
        offered = list(_offered(workspace, definition, chosen))
        super().__init__(data, initial=self._initial(offered))
        choices = [(each.id, each.name if each.enabled else f"{each.name} (disabled)") for each in offered]
        self.fields["sources"].choices = choices  # type: ignore[attr-defined]
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
        return {each.name for each in self._shown if each.secret}

    @property
    def stored(self) -> set[str]:
        """Secrets that are there already."""
        return {name for name in self.secrets if self._current.get(name)}

    @property
    def mark(self) -> str:
        """Another one when what is stored has changed."""
        stored = (self.initial.get("name"), self.initial.get("sources"), sorted(self._current.items()))
        return f"{crc32(repr(stored).encode()):08x}" if self._row else ""

    def values(self) -> dict[str, str]:
        """The settings as typed, good or not; a secret that was left empty is the one that is stored."""
        typed = {each.name: str(self.data.get(each.name, "")).strip() for each in self._shown}
        return {
            name: self._current.get(name, "") if self._row and name in self.secrets and not value else value
            for name, value in typed.items()
        }

    def clean(self) -> dict[str, Any]:
        values = self.values()
        if self.data.get("seen", self.mark) != self.mark:
            self.add_error(
                None,
                "Somebody changed these settings since you opened them, and nothing was saved. Open them in another tab "
                "to compare; Save takes what stands here.",
            )
        for name, sentence in self._definition.problems({**self._current, **values}).items():
            if name in values and name not in self.errors:
                self.add_error(name, sentence)
        return super().clean() or {}

    def _initial(self, offered: list[Source]) -> dict[str, Any]:
        secrets = {each.name for each in self._definition.fields if each.secret}
        values = {name: value for name, value in self._current.items() if name not in secrets}
        if self._row:
            return {
                "name": self._row.name,
                "sources": [each.id for each in self._row.sources.all()],
                **values,
            }
        return {"name": self._definition.title, "sources": [each.id for each in _suggested(offered)]}

    def _control(self, each: Field) -> forms.Field:
        control: forms.Field
        if each.choices:
            names = [(value, value.capitalize()) for value in each.choices]
            control = forms.ChoiceField(choices=names, required=False, initial=each.default)
        else:
            control = forms.CharField(required=False, widget=self._widget(each), max_length=100_000)
        control.label, control.help_text = each.label, each.help
        control.required = each.required and not each.default and not (each.secret and self._row)
        control.error_messages["required"] = f"{each.label} is needed."
        if each.secret and self._row:
            control.help_text += " Leave it empty to keep the one that is stored."
        return control

    def _widget(self, each: Field) -> forms.Widget:
        attributes = {"autocomplete": "off", "spellcheck": "false", "placeholder": each.default}
        if each.multiline:
            return forms.Textarea(attrs={**attributes, "rows": 6, "class": "code"})
        if each.secret:
            placeholder = changes.MASK if self._row else ""
            # Nothing typed there comes back in a page; where the form is swapped, htmx keeps the control as it is.
            extra = {"autocomplete": "new-password", "placeholder": placeholder, "hx-preserve": "true"}
            return forms.PasswordInput(attrs={**attributes, **extra})
        return forms.TextInput(attrs=attributes)


def _offered(workspace: Workspace, definition: Definition, chosen: Collection[int]) -> Iterator[Source]:
    """Sources that bring what the destination accepts: Mailjet's events become track calls and nothing else. Those
    that are chosen are offered in any case, or saving would take them away.
    """
    for row in workspace.sources.order_by("kind", "name"):
        brings = row.kind != SourceKind.MAILJET or "track" in definition.accepts
        if row.id in chosen or (row.enabled and brings):
            yield row


def _suggested(offered: list[Source]) -> list[Source]:
    """Email events where they are welcome; else all. Nobody means calls of Segment to go back to Segment."""
    events = [row for row in offered if row.kind == SourceKind.MAILJET]
    return events or offered
