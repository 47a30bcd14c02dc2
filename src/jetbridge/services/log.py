"""The event log, for one view: opened when asked for, closed when the view is done."""

from django.conf import settings

from jetbridge import eventlog
from jetbridge.eventlog.base import EventLog


def event_log() -> EventLog:
    """A context manager. Raises LogUnavailable."""
    return eventlog.open(settings.CONFIG)
