"""Two workspaces with one of everything in each."""

from typing import Any

import pytest
from tests.console.conftest import _test_environment, client_of, people, queries

from jetbridge.console.app_connections import asking
from jetbridge.eventlog.sqlite import SqliteEventLog

from .filled import Filled, fill


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    asking.LISTS._known.clear()


@pytest.fixture
def shop(people: Any, event_log: SqliteEventLog) -> Filled:
    return fill(event_log, people.workspace, people.owner)


@pytest.fixture
def elsewhere(people: Any, event_log: SqliteEventLog) -> Filled:
    return fill(event_log, people.elsewhere, people.outsider)
