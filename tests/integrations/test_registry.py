import re
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from jetbridge.control.models import MailjetAccount, SourceKind, Workspace
from jetbridge.delivery.threads import Threads
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations import registry
from jetbridge.integrations.base import ThreadSpecs

#: Run whatever accounts there are: one clears away what is left of those that were removed, one looks for contacts
#: that cannot be read.
SWEEPS = {"removed accounts", "unreadable contacts"}


@pytest.fixture
def account(home: Any) -> MailjetAccount:
    workspace = Workspace.objects.create(name="Main")
    source = workspace.sources.create(kind=SourceKind.MAILJET, name="Mailjet events")
    return MailjetAccount.objects.create(
        workspace=workspace,
        name="Shop",
        api_url="http://127.0.0.1:9",
        api_key="key",
        secret_key="secret",
        event_source=source,
    )


def threads(event_log: SqliteEventLog) -> ThreadSpecs:
    found = [integration.background_threads(event_log) for integration in registry.integrations()]
    return {name: spec for specs in found for name, spec in specs.items()}


def test_without_accounts_only_the_sweeps_are_wanted(event_log: SqliteEventLog) -> None:
    assert set(threads(event_log)) == SWEEPS


def test_a_mailjet_account_wants_a_reader_a_keeper_and_an_eraser(
    event_log: SqliteEventLog, account: MailjetAccount
) -> None:
    source = account.event_source_id
    assert set(threads(event_log)) == {
        *SWEEPS,
        f"source {source} (Shop)",
        f"callback URLs {source} (Shop)",
        f"reconcile:{account.id}",
    }


def test_threads_keep_running_while_the_account_is_the_same_and_change_with_it(
    event_log: SqliteEventLog, account: MailjetAccount
) -> None:
    before, again = threads(event_log), threads(event_log)
    account.secret_key = "another"
    account.save()
    after = threads(event_log)
    assert {name: row[0] for name, row in before.items()} == {name: row[0] for name, row in again.items()}
    assert [before[name][0] == after[name][0] for name in before if name not in SWEEPS] == [False] * 3


def test_wanted_threads_run_and_stop(event_log: SqliteEventLog, account: MailjetAccount) -> None:
    kept = Threads()
    kept.keep(threads(event_log))
    Event().wait(0.2)
    running = [row.thread for row in kept._running.values()]
    assert [thread is not None and thread.is_alive() for thread in running] == [True] * 5
    kept.stop()
    assert [thread is not None and thread.is_alive() for thread in running] == [False] * 5


def test_an_unknown_kind_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(
        ConfigurationError, match="There is no kind 'carrier-pigeon'; there are mailjet, segment"
    ):
        registry.destination("carrier-pigeon")


@pytest.mark.parametrize("kind", registry.destinations())
def test_every_kind_keeps_the_contract(kind: str) -> None:
    files = (Path(__file__).parent / kind).glob("test_*.py")
    assert any(re.search(r"^class Test\w+\(\w*Contract\):", file.read_text(), re.MULTILINE) for file in files)
