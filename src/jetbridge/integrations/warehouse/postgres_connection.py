"""A connection to PostgreSQL that waits for no answer without end. Loaded with the first flush, as psycopg is.

The server's own time limits end no statement of a server that hangs, and TCP ends nothing while packets are acknowledged.

Of a login that is refused psycopg gives the server's words and no SQLSTATE (psycopg#1188), and the words are in the server's language
(`lc_messages`). libpq's trace has the code, so a second login, traced, tells it.
"""

import os
import re
import select
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo

from jetbridge.heartbeat import beat

RV = TypeVar("RV")

#: What libpq's trace has of a refusal. Its code is before the words of the server.
_REJECTION = re.compile(r'^B\t\d+\tErrorResponse\t S "[^"]*" (?:V "[^"]*" )?C "([0-9A-Z]{5})"', re.MULTILINE)
#: libpq traces logins from this version on.
_TRACES_LOGINS = 180_000
#: SQLSTATE of a password that is missing or wrong. libpq itself says so where none is given.
_WRONG_LOGIN = "28P01"


def login_sqlstate(parameters: Mapping[str, Any], seconds: float) -> str:
    """Log in once more; the SQLSTATE with which the server refuses that. "": it does not refuse it, or this libpq cannot tell."""
    if pq.version() < _TRACES_LOGINS or not hasattr(os, "memfd_create"):  # psycopg traces on Linux alone
        return ""
    connection = pq.PGconn.connect_start(make_conninfo(**parameters).encode())
    with os.fdopen(os.memfd_create("login"), "rb") as trace:  # in memory: it has what is sent, too
        try:
            connection.trace(trace.fileno())
            connection.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
            status = _poll(connection, time.monotonic() + seconds)
            needs_password = connection.needs_password
            connection.untrace()
        except (psycopg.Error, OSError):  # no socket any more
            return ""
        finally:
            connection.finish()
        trace.seek(0)
        rejections = _REJECTION.findall(trace.read().decode("utf-8", "replace"))
    if status != pq.PollingStatus.FAILED:
        return ""
    return rejections[-1] if rejections else _WRONG_LOGIN if needs_password else ""


def _poll(connection: pq.abc.PGconn, deadline: float) -> pq.PollingStatus:
    """How the login ends; else, at the deadline, what it waits for."""
    while True:
        beat()
        status = pq.PollingStatus(connection.connect_poll())
        left = deadline - time.monotonic()
        if status in {pq.PollingStatus.OK, pq.PollingStatus.FAILED} or left <= 0:
            return status
        waiting = select.poll()  # select() takes no file beyond the 1,024th of a process
        waiting.register(
            connection.socket, select.POLLIN if status == pq.PollingStatus.READING else select.POLLOUT
        )
        waiting.poll(min(left, 1.0) * 1000)


class BoundedConnection(psycopg.Connection[Any]):
    #: How long one answer may take. Then the connection is closed, and OperationalError raised.
    response_seconds: float = 60.0

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        beat()
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: PQGen[RV]) -> PQGen[RV]:
        deadline = time.monotonic() + self.response_seconds
        try:
            state = next(gen)
            while True:
                ready = yield state  # at least ten times a second, without news, too
                if time.monotonic() >= deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(
                        f"the server has not answered for {self.response_seconds:g} s"
                    )
                state = gen.send(ready)
        except StopIteration as stop:
            value: RV = stop.value
            return value
