"""Sources that people add and rename. The other kinds come with what they belong to: see `accounts.py`."""

from typing import NamedTuple

from jetbridge.control.models import Source, SourceKind, Workspace
from jetbridge.errors import ConfigurationError


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


def _free(workspace: Workspace, name: str) -> str:
    wanted = name.strip()
    if not 0 < len(wanted) <= 200:
        raise ConfigurationError("A source's name has 1 to 200 characters.")
    if workspace.sources.filter(name=wanted).exists():
        raise ConfigurationError(f"Another source is named {wanted}.")
    return wanted
