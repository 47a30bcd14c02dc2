"""The integrations there are: one line each. No other module names them, and their code loads when it is asked for."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from jetbridge.errors import ConfigurationError

if TYPE_CHECKING:  # Django's settings read INTEGRATIONS before any model can be imported
    from jetbridge.integrations.base import Destination, Integration, Section, Source, SourceOwner

#: Folders (packages) with a `definition.py`; each is a Django app.
INTEGRATIONS = (
    "jetbridge.integrations.mailjet",
    "jetbridge.integrations.segment",
    "jetbridge.integrations.webhook",
    "jetbridge.integrations.warehouse",
)


def integrations() -> "list[Integration]":
    return [integration for package in INTEGRATIONS for integration in _loaded(package)]


def sections() -> "list[Section]":
    """Pages that every workspace has for the sake of one."""
    return [section for integration in integrations() for section in integration.sections]


def destinations() -> "dict[str, Destination]":
    """All kinds of destinations, by kind."""
    from jetbridge.integrations.base import Destination  # noqa: PLC0415 - see above

    return {kind.kind: kind for kind in integrations() if isinstance(kind, Destination)}


def source_owners(workspace: int) -> "dict[int, SourceOwner]":
    """By id: what sources of a workspace come and go with."""
    owned = [integration.owned_sources(workspace) for integration in integrations()]
    return {source: owner for owners in owned for source, owner in owners.items()}


def sources() -> "dict[str, Source]":
    """All kinds of sources that need more than an ingest endpoint, by kind."""
    from jetbridge.integrations.base import Source  # noqa: PLC0415 - see above

    return {kind.kind: kind for kind in integrations() if isinstance(kind, Source)}


def destination(kind: str) -> "Destination":
    """Raises ConfigurationError for a kind that this Jetbridge does not know."""
    known = destinations()
    if kind not in known:
        raise ConfigurationError(f"There is no kind {kind[:40]!r}; there are {', '.join(known)}.")
    return known[kind]


@cache
def _loaded(package: str) -> "tuple[Integration, ...]":
    loaded: tuple[Integration, ...] = import_module(f"{package}.definition").INTEGRATIONS
    return loaded
