"""A connection to PostgreSQL that waits for no answer without end. Loaded with the first flush, as psycopg is.

The server's own time limits end no statement of a server that hangs, and TCP ends nothing while packets are acknowledged.
"""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from jetbridge.heartbeat import beat

RV = TypeVar("RV")


class BoundedConnection(psycopg.Connection[Any]):
    #: How long one answer may take. Then the connection is closed, and OperationalError raised.
    answer_seconds: float = 60.0

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        beat()
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: PQGen[RV]) -> PQGen[RV]:
        deadline = time.monotonic() + self.answer_seconds
        try:
            state = next(gen)
            while True:
                ready = yield state  # at least ten times a second, without news, too
                if time.monotonic() >= deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(
                        f"the server has not answered for {self.answer_seconds:g} s"
                    )
                state = gen.send(ready)
        except StopIteration as stop:
            value: RV = stop.value
            return value
