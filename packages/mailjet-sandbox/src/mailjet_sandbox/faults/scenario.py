"""Reading faults: from a control call, from a scenario file, and from the short form of the command line.

Every error names the entry and lists what is accepted.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from mailjet_sandbox.faults.kinds import KINDS, Fault
from mailjet_sandbox.faults.manual import fields_in_words


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
