"""Two workspaces with one of everything in each."""

from typing import Any

import pytest
from tests.console.conftest import _test_environment, client_of, people, queries

from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import contacts_lists

from .filled import Filled, fill


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    contacts_lists.LISTS._known.clear()


@pytest.fixture
def shop(people: Any, event_log: SqliteEventLog) -> Filled:
    return fill(event_log, people.workspace, people.owner)


@pytest.fixture
def elsewhere(people: Any, event_log: SqliteEventLog) -> Filled:
    return fill(event_log, people.elsewhere, people.outsider)
