"""What the columns of a file mean, and which of them hold numbers.

A column is numbers only if every cell that is not empty is given back exactly by its number: postcodes with a
leading zero, prices such as 1.10 and codes such as 12E3 stay as they are written. It is true or false only if
every such cell says so.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

from jetbridge.imports.files.options import Options
from jetbridge.imports.files.text import FileError
from jetbridge.spec.emails import visible
from jetbridge.spec.person import plain_name

#: The last two are of JSON only, where values bring their types.
Kind = Literal["number", "boolean", "text", "object", "mixed"]
Role = Literal["user_id", "email", "unsubscribed", "trait", "ignored"]

#: The column that a file of rejected rows has besides its own. It is left out when the file is sent again.
REASON_COLUMN = "jetbridge_reason"

#: Names as `plain_name` has them -> what they mean. Those of addresses are the spec's.
_ROLES: dict[str, Role] = {
    "userid": "user_id",
    "email": "email",
    "emailaddress": "email",
    "unsubscribed": "unsubscribed",
}
#: Role -> the trait that carries it in a call.
TRAITS = {"email": "email", "unsubscribed": "unsubscribed"}
#: Role -> what a person calls it, and the option that settles which column it is.
_MEANINGS: dict[Role, tuple[str, str]] = {
    "user_id": ("the userId", "--user-id-column"),
    "email": ("the email address", "--email-column"),
    "unsubscribed": ("whether somebody has unsubscribed", ""),
}

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
#: What spreadsheets and pandas make of whole numbers in a column with gaps.
_WHOLE = re.compile(r"-?[0-9]+\.0")
_BOOLEANS = {"true": True, "false": False}


def role_of(name: str, options: Options) -> Role:
    """What a column or key of this name means, for itself."""
    return _role_of(name, options.user_id_column, options.email_column)


@lru_cache(maxsize=10_000)
def _role_of(name: str, user_id_column: str, email_column: str) -> Role:
    key = plain_name(name)
    if name.strip() == REASON_COLUMN:
        return "ignored"
    chosen: dict[Role, str] = {"user_id": user_id_column, "email": email_column}
    for role, column in chosen.items():
        if column and plain_name(column) == key:
            return role
    role = _ROLES.get(key, "trait")
    return _without_role(name) if chosen.get(role) else role  # somebody chose another column for it


def _without_role(name: str) -> Role:
    """Of a column that another one is preferred to. As a trait it must not take the place of that one's."""
    return "ignored" if name.strip() in TRAITS.values() else "trait"


def number(cell: str) -> int | float | None:
    """The number that gives back exactly this text."""
    if not _NUMBER.fullmatch(cell):
        return None
    value = float(cell) if "." in cell else int(cell)
    return value if str(value) == cell else None


@dataclass
class Column:
    """`name` is what the file calls it, `trait` what the call does. `example` is the first cell that holds something."""

    index: int
    name: str
    role: Role
    trait: str
    kind: Kind = "text"
    example: str = ""
    filled: int = 0
    #: Whether each cell so far is a number, true or false, or a whole number with “.0”.
    _can: dict[str, bool] = field(default_factory=lambda: {"number": True, "boolean": True, "whole": True})

    def see(self, cell: str) -> None:
        self.filled += 1
        if not self.example:
            self.example = cell
        can = self._can
        if can["number"] and number(cell) is None:
            can["number"] = False
        if can["boolean"] and cell.lower() not in _BOOLEANS:
            can["boolean"] = False
        if can["whole"] and not _WHOLE.fullmatch(cell):
            can["whole"] = False

    def conclude(self, options: Options) -> None:
        """All cells were seen."""
        is_text = (
            self.role != "trait" or plain_name(self.name) in map(plain_name, options.text) or not self.filled
        )
        if not is_text and self._can["boolean"]:
            self.kind = "boolean"
        elif not is_text and self._can["number"]:
            self.kind = "number"

    @cached_property
    def read(self) -> Callable[[str], Any]:
        """From a cell to its value, once all cells were seen."""
        if self.role == "user_id":
            return (lambda cell: cell.removesuffix(".0")) if self._can["whole"] and self.filled else str.strip
        if self.kind == "number":
            return number
        if self.kind == "boolean":
            return lambda cell: _BOOLEANS[cell.lower()]
        return str

    def as_object(self) -> dict[str, Any]:
        goes_to = {"user_id": "userId", "ignored": ""}.get(self.role, self.trait)
        return {
            "name": self.name,
            "goes_to": goes_to,
            "type": self.kind,
            "filled": self.filled,
            "example": self.example[:100],
        }


def columns_of(header: Sequence[str], options: Options) -> list[Column]:
    """Raises FileError for a column that is there twice, one that is not there, and a file without people."""
    columns = []
    for index, text in enumerate(header):
        name = visible(text)
        role = role_of(name, options) if name else "ignored"
        label = name or f"column {index + 1}, without a name"
        columns.append(Column(index, label, role, TRAITS.get(role, name)))
    _prefer(columns, options)
    _reject_twice(columns)
    names = {column.name for column in columns}
    for name, option in [
        (options.user_id_column, "--user-id-column"),
        (options.email_column, "--email-column"),
        *((name, "--text") for name in options.text),
    ]:
        if name and plain_name(name) not in map(plain_name, names):
            raise FileError(f"The file has no column {name!r} ({option}). Its columns: {_listed(columns)}.")
    if not {"user_id", "email"} & {column.role for column in columns}:
        raise FileError(
            "The file names nobody: no column is an email address or a userId. The first row must name the columns, "
            f"or choose the column (--email-column, --user-id-column). Its columns: {_listed(columns)}."
        )
    return columns


def _prefer(columns: list[Column], options: Options) -> None:
    """Of columns that mean the same: one that was chosen just as it is spelled, and `email` before `email_address`."""
    for role, chosen in (("email", options.email_column), ("user_id", options.user_id_column)):
        rivals = [column for column in columns if column.role == role]
        preferred = [column for column in rivals if column.name == chosen]
        if not chosen:
            preferred = [column for column in rivals if plain_name(column.name) == "email"]
        if preferred:
            for column in rivals:
                if column not in preferred:
                    column.role, column.trait = _without_role(column.name), column.name


def _reject_twice(columns: list[Column]) -> None:
    seen: dict[str, Column] = {}
    for column in columns:
        if column.role == "ignored":
            continue
        key = f"role {column.role}" if column.role in _MEANINGS else f"trait {column.trait}"
        first = seen.setdefault(key, column)
        if first is column:
            continue
        where = f"columns {first.index + 1} ({first.name}) and {column.index + 1} ({column.name})"
        if column.role in _MEANINGS and first.name != column.name:
            meaning, option = _MEANINGS[column.role]
            fix = f"choose which it is ({option})" if option else "rename or delete one of them"
            raise FileError(f"Two columns say {meaning}: {where}. Nothing is guessed: {fix}.")
        raise FileError(f"A column is there twice: {where}. Rename or delete one of them.")


def _listed(columns: list[Column]) -> str:
    names = [column.name[:40] for column in columns[:20]]
    return ", ".join(names) + (", …" if len(columns) > len(names) else "")
