"""Sources that people add and rename. The other kinds come with what they belong to: see `accounts.py`."""

from typing import NamedTuple

from jetbridge.control import names
from jetbridge.control.models import Source, SourceKind, Workspace
from jetbridge.errors import ConfigurationError, ConflictError


class Renamed(NamedTuple):
    before: str
    after: str


def add_http(workspace: Workspace, name: str) -> Source:
    """One for Segment's libraries and HTTP API, with a new write key. Raises ConfigurationError."""
    return workspace.sources.create(kind=SourceKind.HTTP, name=_free(workspace, name))


def rename(source: Source, name: str) -> Renamed | None:
    """None if it has this name already. Raises ConfigurationError, having changed nothing."""
    before, after = source.name, name.strip()
    if before == after:
        return None
    source.name = _free(source.workspace, after)
    source.save(update_fields=["name"])
    return Renamed(before, after)


def switch(source: Source, *, enabled: bool) -> bool:
    """On or off; False if it is so already."""
    if source.enabled == enabled:
        return False
    source.enabled = enabled
    source.save(update_fields=["enabled"])
    return True


def reject_engage(source: Source, instead: str) -> None:
    """Raises ConfigurationError for the source of Engage, to which nobody else writes; `instead` says what to do."""
    if source.kind == SourceKind.ENGAGE:
        raise ConfigurationError(f"{source} has the calls that Engage makes. {instead}")


def _free(workspace: Workspace, name: str) -> str:
    name = names.checked("a source", name)
    if workspace.sources.filter(name=name).exists():
        raise ConflictError(f"Another source is named {name}.")
    return name
