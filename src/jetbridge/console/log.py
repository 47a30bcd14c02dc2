"""The event log, for one view: opened when asked for, closed when the view is done."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.conf import settings

from jetbridge.eventlog.sqlite import SqliteEventLog


@contextmanager
def event_log() -> Iterator[SqliteEventLog]:
    """Raises LogUnavailable."""
    with closing(SqliteEventLog(settings.CONFIG.log_path)) as log:
        yield log
