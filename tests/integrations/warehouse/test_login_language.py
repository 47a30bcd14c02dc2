"""A login that is refused in any language waits for a person; one that may succeed later is tried again.

The real libpq talks to a server that answers as PostgreSQL does (Frontend/Backend Protocol, "Message Formats"), with messages that were
recorded from PostgreSQL 15 with `lc_messages` de_DE.UTF-8, or are in its message catalogues.
"""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg import pq

from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse import postgres_connection
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.integrations.warehouse.postgres import LoginRefused, PostgreSQL

from .conftest import track

#: Of a request for encryption (protocol 1234.5679, 1234.5680).
_ENCRYPTION = {80877103, 80877104}


def refusal(severity: str, code: str, words: str) -> bytes:
    fields = {"S": severity, "V": "FATAL", "C": code, "M": words, "F": "auth.c", "R": "auth_failed"}
    body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@contextmanager
def serving(answer: bytes) -> Iterator[int]:
    """A port at which every login is answered so."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while True:
                length, version = struct.unpack("!II", self.rfile.read(8))
                self.rfile.read(length - 8)
                if version not in _ENCRYPTION:
                    break
                self.wfile.write(b"N")
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def load_into(port: int) -> None:
    parameters = {
        "host": "127.0.0.1",
        "port": port,
        "user": "ann",
        "password": "s3cret-word",
        "dbname": "shop",
    }
    load(PostgreSQL(parameters), [Arrival("web", track("A"))])


@pytest.mark.parametrize(
    ("severity", "code", "words"),
    [
        ("FATAL", "28P01", "Passwort-Authentifizierung für Benutzer »ann« fehlgeschlagen"),  # recorded
        ("FATAL", "28000", "Rolle »ann« existiert nicht"),
        ("FATAL", "28000", "kein pg_hba.conf-Eintrag für Host »127.0.0.1«, Benutzer »ann«, Datenbank »shop«, keine Verschlüsselung"),
        ("FATAL", "3D000", "Datenbank »shop« existiert nicht"),
        ("FATAL", "28P01", "la autentificación password falló para el usuario «ann»"),
        ("ВАЖНО", "28P01", "пользователь не прошёл проверку подлинности (по паролю)"),
    ],
)  # fmt: skip
def test_a_refused_login_waits_for_a_person_in_any_language(severity: str, code: str, words: str) -> None:
    with serving(refusal(severity, code, words)) as port, pytest.raises(LoginRefused) as caught:
        load_into(port)
    assert (caught.value.code, caught.value.sqlstate) == ("INVALID_AUTHENTICATION", code)
    assert words in str(caught.value)
    assert "s3cret-word" not in str(caught.value)


def test_a_right_that_is_missing_at_login_waits_for_a_person() -> None:
    words = "keine Berechtigung für Datenbank »shop«"
    with serving(refusal("FATAL", "42501", words)) as port, pytest.raises(PauseError) as caught:
        load_into(port)
    assert caught.value.code == "WAREHOUSE_FORBIDDEN"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("53300", "tut mir leid, schon zu viele Verbindungen"),
        ("57P03", "das Datenbanksystem startet"),
        (
            "57P03",
            'das Datenbanksystem sagt: password authentication failed for user "ann"',
        ),  # its words decide nothing
    ],
)
def test_a_server_that_is_busy_is_tried_again(code: str, words: str) -> None:
    with serving(refusal("FATAL", code, words)) as port, pytest.raises(TransientError) as caught:
        load_into(port)
    assert caught.value.code == "WAREHOUSE_UNAVAILABLE"


def test_a_libpq_that_tells_no_code_is_believed_its_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions before 18 trace no logins."""
    monkeypatch.setattr(pq, "version", lambda: 170_000)
    answer = refusal("FATAL", "28P01", 'password authentication failed for user "ann"')
    with serving(answer) as port, pytest.raises(LoginRefused):
        load_into(port)


def test_a_server_that_closes_or_never_answers_ends_in_time() -> None:
    with serving(b"") as port, pytest.raises(TransientError):
        load_into(port)
    parameters: dict[str, object] = {"host": "127.0.0.1", "user": "ann", "dbname": "shop"}
    with silent() as port:
        assert postgres_connection.login_sqlstate({**parameters, "port": port}, 0.3) == ""


@contextmanager
def silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
