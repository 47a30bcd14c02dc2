"""Breaking a connection for good, so that a client sees what it sees when the network fails.

ASGI cannot do that. Granian closes a connection whose response was left unfinished. For a reset, the socket is found among this
process's file descriptors and closed with RST.
"""

import os
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

#: Linger for no time: what closes the socket sends RST. (On, seconds.)
_NO_LINGER = struct.pack("ii", 1, 0)


class ResetResponse(Response):
    """No answer: the connection is reset. The request's body must have been read. Its status is 0, for the record of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.status_code = 0

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        connection = _find_connection(scope)
        if connection is None:
            return
        with connection, suppress(OSError):  # The client may be the first to part.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            connection.shutdown(socket.SHUT_RD)  # The server takes it for the client's farewell and closes.
        while (await receive())["type"] != "http.disconnect":
            pass


class CutResponse(Response):
    """Half of a body whose whole length was promised; then the connection ends."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _find_connection(scope: Scope) -> socket.socket | None:
    """Return another handle on the socket behind a request; None if it has gone."""
    client = (scope["client"][0], int(scope["client"][1]))
    for entry in Path("/dev/fd").iterdir():
        handle = _another_handle(int(entry.name))
        if handle is not None and _peer(handle) == client:
            return handle
        if handle is not None:
            handle.close()
    return None


def _another_handle(number: int) -> socket.socket | None:
    with suppress(OSError):  # Gone meanwhile, or not for us.
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            return socket.socket(fileno=os.dup(number))
    return None


def _peer(handle: socket.socket) -> tuple[str, int] | None:
    with suppress(OSError):  # Listening sockets have none.
        name = handle.getpeername()
        return (name[0], name[1]) if isinstance(name, tuple) else None
    return None
