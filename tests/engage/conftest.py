"""A workspace, somebody who changes it, and the store that the worker fills."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.eventlog.sqlite import SqliteEventLog

from .bench import EngageBench, make_bench
from .stored import Store


@pytest.fixture
def workspace(event_log: SqliteEventLog) -> Workspace:
    return Workspace.objects.create(name="Shop")


@pytest.fixture
def actor(workspace: Workspace) -> Actor:
    return Actor(workspace, None, "a test")


@pytest.fixture
def stored(home: Path, workspace: Workspace) -> Iterator[Store]:
    made = Store(home, workspace.id)
    yield made
    made.close()


@pytest.fixture
def bench(home: Path, event_log: SqliteEventLog) -> Iterator[EngageBench]:
    bench = make_bench(event_log)
    yield bench
    bench.crash()
