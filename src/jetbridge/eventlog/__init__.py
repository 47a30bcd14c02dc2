"""The event log: the durable, ordered record of every accepted message. Knows no Django."""

from jetbridge.config import Config
from jetbridge.eventlog.base import EventLog


def open(config: Config, *, must_open: bool = True) -> EventLog:  # noqa: A001 - read as eventlog.open
    """The event log of this home. Close it, or use it as a context manager.

    Raises LogUnavailable if it cannot be opened now; unless it `must_open`, every call tries it anew.
    """
    from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: PLC0415 - only the engine in use is loaded

    return SqliteEventLog(config.log_path, must_open=must_open)
