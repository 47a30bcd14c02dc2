"""Whatever stops or delays deliveries is on the pages, with what to do, and nothing is green beside it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from tests.pages import collapsed

from jetbridge.delivery.threads import SUPERVISOR, HeartbeatWriter, Vitals
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog

from .delivered import Joined, join


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    return join(people, event_log)


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def beat(*vitals: Vitals, dependents: Any = None) -> None:
    rows = [Vitals(SUPERVISOR, 0.0), *vitals]
    HeartbeatWriter(lambda: rows, lambda: dependents or {}).write(rows)


def text(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def test_without_a_worker_no_destination_is_running(joined: Joined, editor: Client) -> None:
    for url in (joined.url("destination"), joined.url("destination-settings")):
        page = text(editor, url)
        assert 'data-light="NO_WORKER"' in page
        assert "Start <code>jetbridge serve</code>." in page
        assert "stalled" in page
        assert "running</span>" not in page
    listed = text(editor, reverse("destinations", args=[joined.row.workspace_id]))
    assert 'data-light="NO_WORKER"' in listed
    assert "stalled" in listed


def test_a_thread_that_dies_is_on_its_destinations_pages(
    joined: Joined, editor: Client, worker_at_home: None
) -> None:
    beat()
    assert "data-light" not in text(editor, joined.url("destination"))
    beat(
        Vitals("destination x", 0.0, 5, None, "ValueError in spec/times.py:21"),
        dependents={"destination x": [joined.row.id]},
    )
    page = text(editor, joined.url("destination"))
    assert 'data-light="THREAD_DIES"' in page
    listed = text(editor, reverse("destinations", args=[joined.row.workspace_id]))
    assert "The thread destination x dies again and again (ValueError in spec/times.py:21)." in listed


def test_the_overview_tells_the_age_of_the_oldest_pending_message_and_the_lag(
    joined: Joined, editor: Client, event_log: SqliteEventLog, worker_at_home: None
) -> None:
    beat()
    event_log.append([Entry(joined.source.id, "identify", int(time.time() * 1000) - 300_000, b"{}")])
    page = text(editor, joined.url("destination"))
    assert "<dt>Oldest pending</dt><dd>5 min</dd>" in page
    assert "<dt>Lag</dt><dd>1 " in collapsed(page)
    assert 'data-light="BACKLOG"' in page


def test_an_open_page_learns_of_a_light(joined: Joined, editor: Client, worker_at_home: None) -> None:
    beat()
    head = joined.url("destination-head")
    mark = editor.get(joined.url("destination")).context["head"].etag
    assert editor.get(f"{head}?seen={mark}").status_code == 204
    beat(Vitals(SUPERVISOR, 60.0))
    assert 'data-light="THREAD_HANGS"' in text(editor, f"{head}?seen={mark}")
