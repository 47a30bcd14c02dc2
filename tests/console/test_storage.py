"""Files that cannot be written now: every page says so, and one that cannot be made says why."""

import logging
import os
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from jetbridge.console import context
from jetbridge.console.auth import login
from jetbridge.control import home_lock, storage
from jetbridge.control.people import Session
from jetbridge.control.storage import StorageWatch, lack_of_space, lock_on
from jetbridge.delivery import isolation
from jetbridge.eventlog.sqlite import SqliteEventLog

from ..processes import free_port  # noqa: TID252 - tests are no package
from .conftest import session_of


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_a_lock_is_seen_and_takes_nothing_from_others(home: Path, event_log: SqliteEventLog) -> None:
    for path in (home / "state.db", home / "eventlog.db"):
        assert lock_on(path, seconds=0) is None
        with locked(path):
            me = f"process {os.getpid()}, {Path('/proc/self/comm').read_text().strip()}"
            assert lock_on(path, seconds=0) == f"another program locks {path.name} ({me})"
        assert lock_on(path, seconds=0) is None
    assert lock_on(home / "none.db", seconds=0) is None
    assert not (home / "none.db").exists()


def test_a_lock_of_our_own_worker_is_not_put_down_to_another_program(
    home: Path, event_log: SqliteEventLog
) -> None:
    error = sqlite3.OperationalError("database is locked")
    with home_lock.take(home, "worker"), locked(home / "state.db"):
        assert (
            lock_on(home / "state.db", seconds=0) == "Jetbridge's own worker process is writing to state.db"
        )
        message = str(isolation.as_transient(error))
    assert (
        "database is locked. Jetbridge's own worker process is writing to it for long. Try again in"
        in message
    )
    assert "nother program" not in message
    assert "Another program has it, such as a backup tool" in str(isolation.as_transient(error))


def test_a_file_that_is_no_database_is_said(home: Path) -> None:
    (home / "odd.db").write_bytes(b"x" * 10_000)
    assert "odd.db cannot be written (" in str(lock_on(home / "odd.db", seconds=0))


def test_a_disk_is_full_when_nothing_can_be_relied_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lack_of_space(home) is None
    monkeypatch.setattr(storage, "LEAST_FREE_BYTES", 2**62)
    assert lack_of_space(home) == "the disk is full"


def test_the_watch_looks_seldom_and_believes_what_two_looks_have_seen() -> None:
    now, looks = [0.0], iter(["locked", None, "locked", "locked", None])
    watch = StorageWatch(lambda: next(looks), 3.0, lambda: now[0])
    said = []
    for moment in (0, 1, 3, 6, 9, 10, 12):
        now[0] = float(moment)
        said.append(watch())
    assert said == [None, None, None, None, "locked", "locked", None]


def test_every_page_says_that_a_program_locks_the_state(
    home: Path, people: Any, client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, page = client_of("viewer"), f"/w/{people.workspace.id}/sources/"
    monkeypatch.setattr(context, "storage_problem", StorageWatch(lambda: storage.write_problem(seconds=0), 0))
    assert "locks state.db" not in client.get(page).content.decode()
    with locked(home / "state.db"):
        client.get(page)
        assert "Another program locks state.db" in client.get(page).content.decode()
    assert "locks state.db" not in client.get(page).content.decode()


@dataclass
class Browser:
    """Of somebody who is logged in, and has every page before it is locked."""

    url: str
    session: str

    def request(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str, float]:
        """Status, page, and seconds."""
        token = "x" * 32
        cookies = f"{settings.CSRF_COOKIE_NAME}={token}; {settings.SESSION_COOKIE_NAME}={self.session}"
        data = form and urllib.parse.urlencode(form | {"csrfmiddlewaretoken": token}).encode()
        asked = urllib.request.Request(f"{self.url}{path}", data, headers={"Cookie": cookies})
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                status, page = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, page = error.code, error.read().decode()
        return status, page, time.monotonic() - begun


#: What a page may take that has to wait for a lock. The wait is three seconds.
LONGEST_WAIT_SECONDS = 5.0


def test_a_page_does_not_wait_long_for_a_lock_and_says_why(people: Any, start_jetbridge: Any) -> None:
    """What only reads is shown: nobody can keep readers from a database that is open."""
    url = f"http://127.0.0.1:{free_port()}"
    env = {"JETBRIDGE_PORT": url.rpartition(":")[2], "JETBRIDGE_PUBLIC_URL": url}
    start_jetbridge("web", env=env, health=f"{url}/readyz")
    browser, stranger = Browser(url, session_of(people.owner)), Browser(url, "")
    place = f"/w/{people.workspace.id}"
    posts = [
        (stranger, "/login", {"email": "olga@example.com", "password": "a guess"}),
        (browser, f"{place}/settings/workspace/", {"name": "Another name", "time_zone": "UTC"}),
        (browser, f"{place}/sources/add", {"name": "Another source", "kind": "http"}),
        (browser, "/logout", {}),
    ]
    assert browser.request(f"{place}/sources/")[0] == 200  # everything is loaded
    with locked(settings.CONFIG.state_path):
        for path in ("/login", f"{place}/sources/", f"{place}/destinations/", f"{place}/settings/audit/"):
            status, _, seconds = browser.request(path)
            assert (path, status, seconds < LONGEST_WAIT_SECONDS) == (path, 200, True)
        for who, path, form in posts:
            status, page, seconds = who.request(path, form or {"x": "y"})
            assert (path, status, seconds < LONGEST_WAIT_SECONDS) == (path, 503, True)
            assert f"database is locked. Another program has it (process {os.getpid()}, " in page
    assert browser.request(f"{place}/sources/")[0] == 200


def test_that_a_session_is_used_is_written_down_later(home: Path, people: Any, client_of: Any) -> None:
    client, page = client_of("viewer"), f"/w/{people.workspace.id}/sources/"
    before = timezone.now() - timedelta(hours=1)
    Session.objects.update(last_seen_at=before)
    with locked(home / "state.db"):
        assert client.get(page).status_code == 200
    assert Session.objects.get().last_seen_at == before
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (30_000,)
    assert client.get(page).status_code == 200
    assert Session.objects.get().last_seen_at > before


@pytest.mark.parametrize("path", ["/login", "/api/v1/workspace"])
def test_a_page_that_cannot_be_made_says_why_without_a_trace(
    client_of: Any, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError(f"database or disk is full: {settings.CONFIG.home}/state.db")

    monkeypatch.setattr(login, "local_path", fail)
    monkeypatch.setattr("jetbridge.api.routing.authenticate", fail)
    client = client_of("viewer")
    client.raise_request_exception = False
    with caplog.at_level(logging.INFO):
        answer = client.get(path)
    text = answer.content.decode()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Jetbridge cannot work with its files now: database or disk is full: state.db." in text
    assert str(settings.CONFIG.home) not in text
