"""Settings as data: what an integration has to be told, declared once.

The form control, the check, the JSON schema, the command line and the masking of a setting follow from its declaration. A
value that is not set is absent; what is empty (None, "" or {}) goes back to the default.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted
from jetbridge.text import pasted

#: What is shown of a secret. Where it comes back unchanged, the stored value stays.
MASK = "••••••••"

#: Characters of a wrong value that an error repeats.
_SHOWN = 40


class InvalidSetting(ValueError):
    """A value that a setting cannot have; the message is for a person."""


def is_empty(value: Any) -> bool:
    return value is None or value in ("", {})


class OfferedName(NamedTuple):
    """A name that a text can have, and those below it. `sources`: by whom it was sent, by id; 0 is one that is gone.

    `*` itself cannot be named: `*.NAME` stands for NAME below every other.
    """

    name: str
    below: Sequence["OfferedName"] = ()
    sources: frozenset[int] = frozenset()

    @property
    def short(self) -> str:
        """Without the one above it."""
        return self.name.rpartition(".")[2]


def _no_names(_: int) -> Sequence[OfferedName]:
    return ()


def _no_error(_: Any) -> str:
    return ""


def _no_notes(_: Any) -> Sequence[str]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every type of setting has. Use one of the subclasses."""

    #: How the API names the type.
    type: ClassVar[str]
    name: str
    label: str
    help: str
    #: What is so while it is empty; a form does not say it of a secret that is stored.
    help_if_empty: str = ""
    required: bool = True
    #: What is true where nothing is set; empty for none.
    default: Any = ""
    #: The part of the form that it belongs to; "" is the first.
    group: str = ""
    #: URL name of the tab on which it is edited once the destination is there; "" for the settings page.
    tab: str = ""
    #: What is wrong with a value of the right type, and what is accepted; "" if nothing is. May read the database.
    error: Callable[[Any], str] = _no_error
    #: What a person should know about a value that is accepted.
    notes: Callable[[Any], Sequence[str]] = _no_notes
    #: What a person should know when a value takes the place of another.
    change_notes: Sequence[str] = ()
    #: Stored encrypted and never shown.
    is_secret: ClassVar[bool] = False

    @property
    def whole_help(self) -> str:
        return f"{self.help} {self.help_if_empty}".strip()

    def parse(self, value: Any) -> Any:
        """The value meant by a text (of a form, of the command line) or by a JSON value; None if it is empty.

        Raises InvalidSetting.
        """
        return None if is_empty(value) else self._parse(value)

    def problem(self, value: Any) -> str:
        """The one rule by which a value is accepted ("") or not: what is wrong, for a person."""
        try:
            parsed = self.parse(value)
        except InvalidSetting as error:
            return str(error)
        if is_empty(parsed):
            return f"{self.label} is needed." if self.required and is_empty(self.default) else ""
        return self.error(parsed)

    def text(self, value: Any) -> str:
        """A value as a form or a terminal has it; `parse` gives the value back."""
        return "" if is_empty(value) else str(value)

    def shown(self, value: Any) -> Any:
        """What a screen or the API may show of a value."""
        return value

    def restored(self, value: Any, stored: Any) -> Any:
        """The value meant by one that comes back after `stored` was shown."""
        return value if is_empty(stored) or value != self.shown(stored) else stored

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of a value."""
        schema = {"title": self.label, "description": self.whole_help, **self._schema()}
        return schema if is_empty(self.default) else {**schema, "default": self.default}

    def _parse(self, value: Any) -> Any:
        raise NotImplementedError

    def _schema(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Text(Setting):
    """`multiline` texts lose the blanks at their ends, others also what comes along when something is pasted."""

    type: ClassVar[str] = "text"
    multiline: bool = False
    #: Of a `multiline` text that names what is left out: what there is in a workspace. A form has a checkbox for each.
    offered: Callable[[int], Sequence[OfferedName]] = _no_names

    def _parse(self, value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise InvalidSetting(f"{self.label} has to be a text.")
        return value.strip() if self.multiline else pasted(value)

    def _schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True, kw_only=True)
class Secret(Setting):
    """A text that is stored encrypted. `mask` says what is shown of it, such as a URL without its password."""

    type: ClassVar[str] = "secret"
    is_secret: ClassVar[bool] = True
    mask: Callable[[str], str] = lambda _: MASK

    def shown(self, value: Any) -> Any:
        return "" if is_empty(value) else self.mask(str(value))

    def _parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidSetting(f"{self.label} has to be a text.")
        if MASK in value:  # `restored` has put back the one that was shown
            raise InvalidSetting(f"{MASK} stands for a stored secret. Enter the {self.label} itself.")
        return pasted(value)

    def _schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "password", "x-secret": True}


@dataclass(frozen=True, kw_only=True)
class Integer(Setting):
    type: ClassVar[str] = "integer"
    minimum: int = 0
    maximum: int = 2**31 - 1

    def _parse(self, value: Any) -> int:
        text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        digits = text.removeprefix("-")
        number = int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None
        if number is None or not self.minimum <= number <= self.maximum:
            wrong = str(value)[:_SHOWN]
            raise InvalidSetting(f"{wrong!r} is no whole number from {self.minimum:,} to {self.maximum:,}.")
        return number

    def _schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Boolean(Setting):
    type: ClassVar[str] = "boolean"
    required: bool = False
    default: Any = False

    def _parse(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        boolean = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
        if boolean is None:
            raise InvalidSetting(f"{str(value)[:_SHOWN]!r} is neither true nor false.")
        return boolean

    def text(self, value: Any) -> str:
        return "" if is_empty(value) else json.dumps(bool(value))

    def _schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True)
class Choice(Setting):
    """`choices`: the values it may have, with their labels."""

    type: ClassVar[str] = "choice"
    choices: Mapping[str, str] = field(default_factory=dict)

    def _parse(self, value: Any) -> str:
        text = value.strip() if isinstance(value, str) else str(value)
        if text not in self.choices:
            raise InvalidSetting(f"{text[:_SHOWN]!r} is none of {', '.join(self.choices)}.")
        return text

    def _schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True, kw_only=True)
class Object(Setting):
    """A JSON object. Of one with `secret` values the names are shown and the values are not."""

    type: ClassVar[str] = "object"
    default: Any = field(default_factory=dict)
    secret: bool = False
    #: Bytes of its JSON.
    longest: int = 100_000
    #: The only names that it may have, each with what is true where it is absent: a form has a field for each. Empty: any.
    keys: Mapping[str, str] = field(default_factory=dict)
    #: JSON Schema of its values.
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_secret(self) -> bool:  # type: ignore[override]
        return self.secret

    def text(self, value: Any) -> str:
        return "" if is_empty(value) else json.dumps(value, ensure_ascii=False, indent=2)

    def shown(self, value: Any) -> Any:
        return dict.fromkeys(value, MASK) if self.secret and isinstance(value, dict) else value

    def restored(self, value: Any, stored: Any) -> Any:
        with suppress(InvalidSetting):
            value = self.parse(value)
        if not (self.secret and isinstance(value, dict) and isinstance(stored, dict)):
            return value
        return {name: stored.get(name, part) if part == MASK else part for name, part in value.items()}

    def _parse(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            try:
                value = read_untrusted(value.encode())
            except (UnicodeEncodeError, *JSON_ERRORS):
                raise InvalidSetting(f"{self.label} is not JSON.") from None
        if not isinstance(value, dict):
            raise InvalidSetting(f'{self.label} has to be a JSON object, such as {{"name": "value"}}.')
        if len(json.dumps(value)) > self.longest:
            raise InvalidSetting(f"{self.label} is longer than {self.longest:,} bytes.")
        return {name: item for name, item in value.items() if not is_empty(item)} if self.keys else value

    def _schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "additionalProperties": dict(self.values) or True}
        if self.keys:
            schema |= {
                "additionalProperties": False,
                "properties": {
                    key: {**self.values, "default": default} for key, default in self.keys.items()
                },
            }
        return {**schema, "x-secret": True} if self.secret else schema
