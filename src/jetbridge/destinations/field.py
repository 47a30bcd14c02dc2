"""One setting of a destination, declared: its form control, its check and its line in the docs follow from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _nothing_wrong(_: str) -> str:
    return ""


def _no_notes(_: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Field:
    """One setting, a text. Secret fields are stored encrypted and never shown."""

    name: str
    label: str
    help: str
    required: bool = True
    secret: bool = False
    default: str = ""
    #: The values it may have; empty: any.
    choices: tuple[str, ...] = ()
    #: The part of a form that it belongs to; "" is the first.
    group: str = ""
    #: Whether the text has many lines.
    multiline: bool = False
    #: What is wrong with a value, and what is accepted; empty if nothing is. May read the database.
    wrong: Callable[[str], str] = _nothing_wrong
    #: What a person should know about a value that is accepted.
    notes: Callable[[str], Sequence[str]] = _no_notes

    def problem(self, value: str) -> str:
        """The one rule by which a value is accepted (empty) or not: a sentence."""
        if not value:
            return f"{self.label} is needed." if self.required and not self.default else ""
        if self.choices and value not in self.choices:
            return f"{value[:40]!r} is none of {', '.join(self.choices)}."
        return self.wrong(value)
