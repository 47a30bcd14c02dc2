"""The event log: the durable, ordered record of every accepted message. Knows no Django."""

from jetbridge.config import Config
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.sqlite import SqliteEventLog


def open(config: Config, *, must_open: bool = True) -> EventLog:  # noqa: A001 - read as eventlog.open
    """The event log of this home. Close it, or use it as a context manager.

    Raises LogUnavailable if it cannot be opened now; unless it `must_open`, every call tries it anew.
    """
    return SqliteEventLog(config.log_path, must_open=must_open)
