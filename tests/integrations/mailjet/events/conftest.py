"""The Mailjet sandbox, our client on it, and a reader's view of the log."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jetbridge.eventlog.base import EMAIL_EVENT, Entry, Record
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.events.reader import EmailEventReader
from mailjet_sandbox.server import Running, running
from mailjet_sandbox.settings import Settings

SOURCE = 5
RECEIVED_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[Running]:
    # A callback URL that fails once is suspended.
    settings = Settings(api_key="key", secret_key="secret", event_give_up_seconds=0.0)
    with running(settings) as sandbox:
        yield sandbox


@pytest.fixture
def client(_sandbox: Running) -> MailjetClient:
    """A client of an empty sandbox."""
    client = MailjetClient(_sandbox.url, "key", "secret", timeout_seconds=5)
    client._transport.call("POST", "/sandbox/reset", body={"state": True})
    return client


@pytest.fixture
def put(event_log: SqliteEventLog) -> Callable[..., None]:
    """Append events, as the /mailjet endpoint does."""

    def append(*bodies: dict[str, Any] | bytes, source: int = SOURCE, kind: str = EMAIL_EVENT) -> None:
        raw = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        event_log.append([Entry(source, kind, RECEIVED_MS, body) for body in raw])

    return append


@pytest.fixture
def appended(event_log: SqliteEventLog) -> Callable[..., list[Record]]:
    """Wait until so many records other than email events are in the log, and return them."""

    def wait(total: int, seconds: float = 60.0) -> list[Record]:
        deadline = time.monotonic() + seconds
        while True:
            found = [row for row in event_log.read(0, limit=100_000) if row.type != EMAIL_EVENT]
            if len(found) >= total or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    return wait


@contextmanager
def _in_thread(run: Callable[[threading.Event], None]) -> Iterator[None]:
    from django.db import connections  # noqa: PLC0415 - Django is started by the root conftest

    stop = threading.Event()

    def body() -> None:
        try:
            run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


@pytest.fixture
def read(appended: Callable[..., list[Record]]) -> Callable[..., list[Record]]:
    """Run a reader until it has appended so many records; `linger` looks whether more come."""

    def run(reader: EmailEventReader, total: int, *, linger: float = 0.0) -> list[Record]:
        with _in_thread(reader.run):
            appended(total)
            time.sleep(linger)
            return appended(total)

    return run
