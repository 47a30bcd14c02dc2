from threading import Event
from typing import Any

import pytest

from jetbridge.control.models import MailjetAccount, SourceKind, Workspace
from jetbridge.delivery.threads import Threads
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.sources import registry

#: Runs whatever accounts there are: it clears away what is left of those that were removed.
SWEEP = "removed accounts"


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


def test_without_accounts_only_the_sweep_is_wanted(event_log: SqliteEventLog) -> None:
    assert set(registry.threads(event_log)) == {SWEEP}


def test_a_mailjet_account_wants_a_reader_and_a_keeper(
    event_log: SqliteEventLog, account: MailjetAccount
) -> None:
    source = account.event_source_id
    assert set(registry.threads(event_log)) == {
        SWEEP,
        f"source {source} (Shop)",
        f"callback URLs {source} (Shop)",
    }


def test_threads_keep_running_while_the_account_is_the_same_and_change_with_it(
    event_log: SqliteEventLog, account: MailjetAccount
) -> None:
    before, again = registry.threads(event_log), registry.threads(event_log)
    account.secret_key = "another"
    account.save()
    after = registry.threads(event_log)
    assert {name: row[0] for name, row in before.items()} == {name: row[0] for name, row in again.items()}
    assert [before[name][0] == after[name][0] for name in before if name != SWEEP] == [False, False]


def test_wanted_threads_run_and_stop(event_log: SqliteEventLog, account: MailjetAccount) -> None:
    threads = Threads()
    threads.keep(registry.threads(event_log))
    Event().wait(0.2)
    running = [row.thread for row in threads._running.values()]
    assert [thread is not None and thread.is_alive() for thread in running] == [True] * 3
    threads.stop()
    assert [thread is not None and thread.is_alive() for thread in running] == [False] * 3


def test_a_new_source_is_a_module_and_one_line(
    event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "weather_source.py").write_text(
        "def threads(event_log):\n    return {'weather': (1, lambda stop: None)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_MODULES", (*registry._MODULES, "weather_source"))
    assert set(registry.threads(event_log)) == {SWEEP, "weather"}
