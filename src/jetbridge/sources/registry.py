"""The sources that need threads of their own: one line each."""

from collections.abc import Mapping
from importlib import import_module

from jetbridge.delivery.threads import Runnable
from jetbridge.eventlog.base import EventLog

#: Modules with `threads(event_log)`, which names what the source wants to run under today's configuration.
_MODULES = ("jetbridge.sources.mailjet.definition",)


def threads(event_log: EventLog) -> dict[str, tuple[object, Runnable]]:
    """For `Threads.keep`: what every source wants to run now. Reads the configuration."""
    wanted: dict[str, tuple[object, Runnable]] = {}
    for name in _MODULES:
        of_kind: Mapping[str, tuple[object, Runnable]] = import_module(name).threads(event_log)
        wanted.update(of_kind)
    return wanted
