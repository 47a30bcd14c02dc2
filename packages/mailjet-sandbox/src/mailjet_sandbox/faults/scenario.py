"""Reading faults: from a control call, from a scenario file, and from the short form of the command line.

Every error names the entry and lists what is accepted. `manual` writes the same for the documentation, which a test compares.
"""

import json
import tomllib
from inspect import getdoc
from pathlib import Path
from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from mailjet_sandbox.faults.kinds import KINDS, SHARED, Fault


def fields_in_words(kind: type[Fault]) -> str:
    """List a kind's fields, for an error."""
    return "; ".join(
        f"{field.name} ({accepted(field.type)}{', required' if field.required else ''})"
        for field in _fields(kind)
    )


def manual() -> str:
    """Write the documentation's tables, in Markdown."""
    lines = ["| field | takes | default | meaning |", "|---|---|---|---|"]
    for group in SHARED:
        for field in _own_fields(group):
            default = "none" if field.default is None else f"`{field.default}`"
            lines.append(f"| `{field.name}` | {accepted(field.type)} | {default} | {_description(field)} |")
    lines += ["", "| kind | what happens | its own fields |", "|---|---|---|"]
    for name, kind in KINDS.items():
        own = "<br>".join(_field_entry(field) for field in _own_fields(kind))
        lines.append(f"| `{name}` | {' '.join((getdoc(kind) or '').split())} | {own} |")
    return "\n".join(lines) + "\n"


def _field_entry(field: inspect.Field) -> str:
    value = field.default
    if value is NODEFAULT:
        need = "required"
    elif value is None or value == "":
        need = "none by default"
    else:
        need = f"{str(value).lower() if isinstance(value, bool) else value} by default"
    return f"`{field.name}` ({accepted(field.type)}; {need}): {_description(field)}"


def _own_fields(kind: type[Fault]) -> list[inspect.Field]:
    inherited = {name for base in kind.__bases__ for name in getattr(base, "__struct_fields__", ())}
    return [field for field in _fields(kind) if field.name not in inherited]


def _fields(kind: type[Fault]) -> tuple[inspect.Field, ...]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return described.fields


def _description(field: inspect.Field) -> str:
    extra = field.type.extra_json_schema if isinstance(field.type, inspect.Metadata) else None
    return str((extra or {}).get("description", ""))


def accepted(described: inspect.Type) -> str:
    """Say in words what a field takes."""
    match described:
        case inspect.Metadata(type=inner):
            return accepted(inner)
        case inspect.UnionType(types=types):
            return " or ".join(accepted(one) for one in types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number{_bounds(low, high)}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number{_bounds(low, high)}"
    return "true or false" if isinstance(described, inspect.BoolType) else "a text"


def _bounds(low: float | None, high: float | None) -> str:
    return f" from {low:g} up" if high is None else f" from {low:g} to {high:g}"


class BadFault(ValueError):
    """An entry that is not a fault. The message names the entry and lists what is accepted."""


def read_faults(document: Any) -> list[Fault]:
    """Read ``{"faults": [..]}``, or a single fault. Raises BadFault; then none of them counts."""
    if isinstance(document, dict) and "kind" in document:
        return [read_fault(document, "The fault")]
    if (
        not isinstance(document, dict)
        or list(document) != ["faults"]
        or not isinstance(document["faults"], list)
    ):
        raise BadFault(
            f'Expected a fault, {{"kind": …}}, or {{"faults": [ … ]}}; kind is one of {", ".join(KINDS)}'
        )
    return [read_fault(entry, f"Fault {number}") for number, entry in enumerate(document["faults"], 1)]


def read_fault(entry: Any, name: str) -> Fault:
    """Read one fault; errors call it by the name given."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str) or entry["kind"] not in KINDS:
        kind = f"kind {entry.get('kind')!r}" if isinstance(entry, dict) else f"{entry!r}"
        raise BadFault(f"{name}: {kind} is not one of {', '.join(KINDS)}")
    fault_type = KINDS[entry["kind"]]
    try:
        return msgspec.convert(entry, fault_type)
    except msgspec.ValidationError as error:
        raise BadFault(f"{name} ({entry['kind']}): {error}. It takes {fields_in_words(fault_type)}") from None


def read_file(path: Path) -> list[Fault]:
    """Read a scenario, TOML by its name's end or else JSON. Raises BadFault and OSError."""
    try:
        text = path.read_text()
        return read_faults(tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text))
    except (ValueError, RecursionError) as error:  # BadFault, and the errors of both parsers.
        raise BadFault(f"{path}: {error}") from None


def read_short(text: str) -> Fault:
    """Read ``KIND,name=value,…``, e.g. ``status,status=503,rate=0.1,endpoint=POST contact*``. Raises BadFault."""
    kind, *pairs = text.split(",")
    entry: dict[str, Any] = {"kind": kind.strip()}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise BadFault(f"{text!r}: expected name=value in place of {pair!r}")
        entry[name.strip()] = _plain(value.strip())
    return read_fault(entry, repr(text))


def _plain(text: str) -> Any:
    """Numbers and booleans are what they look like, anything else is a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
