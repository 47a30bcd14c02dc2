"""A server of another's that cannot be reached, or falls silent, when a test wants it so."""

import socket
import threading
from contextlib import suppress


class Proxy:
    """Between Jetbridge and a server; it can stop passing anything on, while every packet is acknowledged."""

    def __init__(self, server_port: int, port: int = 0) -> None:
        """`port`: its own; 0: any that is free."""
        self._server_port, self._passes = server_port, threading.Event()
        self._passes.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        self._passes.clear()

    def close(self) -> None:
        self._passes.set()
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:
                    client.close()
                    continue
                self._sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._passes.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
