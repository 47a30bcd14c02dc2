import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from jetbridge.control import directory
from jetbridge.control.models import Workspace
from jetbridge.errors import PauseError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.events.callbacks import (
    CHECK_SECONDS,
    CallbackRegistrar,
    ensure,
    events_url,
    read,
    remove,
    why_unreachable,
)
from jetbridge.integrations.mailjet.services.accounts import add_account

URL = events_url("http://127.0.0.1:9", "t0ken")  # nobody listens there
OLD_HOST = events_url("http://localhost:9999", "t0ken")
OLD_TOKEN = events_url("http://127.0.0.1:9", "0ld")
ANOTHER_JETBRIDGE = events_url("http://localhost:9999", "theirs")
THEIRS = "https://user:hunter22@hooks.example.com/x"


def states(client: MailjetClient) -> dict[str, str]:
    return {row.event_type: row.state for row in ensure(client, URL)}


def test_all_seven_are_registered_with_version_2(client: MailjetClient) -> None:
    assert states(client) == dict.fromkeys(EVENT_TYPES, "registered")
    rows = client.eventcallbackurls()
    assert {(row.event_type, row.url, row.version, row.is_backup) for row in rows} == {
        (event_type, URL, 2, False) for event_type in EVENT_TYPES
    }


def test_asked_again_nothing_changes(client: MailjetClient) -> None:
    ensure(client, URL)
    rows = client.eventcallbackurls()
    assert states(client) == dict.fromkeys(EVENT_TYPES, "unchanged")
    assert client.eventcallbackurls() == rows


@pytest.mark.parametrize("old", [OLD_HOST, OLD_TOKEN])
def test_an_old_address_of_ours_is_updated(client: MailjetClient, old: str) -> None:
    client.create_eventcallbackurl("open", old)
    assert states(client)["open"] == "updated"
    assert [row.url for row in client.eventcallbackurls() if row.event_type == "open"] == [URL]


def test_version_1_of_ours_is_updated(client: MailjetClient) -> None:
    client.create_eventcallbackurl("open", URL, version=1)
    assert states(client)["open"] == "updated"
    assert {row.version for row in client.eventcallbackurls()} == {2}


def test_a_suspended_one_of_ours_comes_back_to_life(client: MailjetClient) -> None:
    row = client.create_eventcallbackurl("open", URL)
    client._call("POST", f"/v3/REST/eventcallbackurl/{row.id}/test")
    deadline = time.monotonic() + 10
    while client.eventcallbackurls()[0].status != "dead":
        assert time.monotonic() < deadline
    [seen] = [row for row in read(client, URL) if row.event_type == "open"]
    assert (seen.state, seen.is_repairable) == ("suspended", True)
    [state] = [row for row in ensure(client, URL, now=lambda: 1700000000.5) if row.event_type == "open"]
    assert state.state == "updated"
    [revived] = [row for row in client.eventcallbackurls() if row.event_type == "open"]
    assert (revived.status, revived.url) == ("alive", f"{URL}?revived=1700000000")
    assert states(client)["open"] == "unchanged"


@pytest.mark.parametrize(
    ("theirs", "host"), [(THEIRS, "hooks.example.com"), (ANOTHER_JETBRIDGE, "localhost")]
)
def test_somebody_elses_is_left_alone_and_reported_by_host(
    client: MailjetClient, theirs: str, host: str
) -> None:
    client.create_eventcallbackurl("sent", theirs, version=1)
    [taken] = [row for row in ensure(client, URL) if row.event_type == "sent"]
    assert (taken.state, taken.is_ours) == ("taken", False)
    assert f"to {host} and" in taken.message
    assert "hunter22" not in taken.message
    [row] = [row for row in client.eventcallbackurls() if row.event_type == "sent"]
    assert (row.url, row.version) == (theirs, 1)


def test_two_who_register_at_once_do_not_take_each_other_for_somebody_else(
    client: MailjetClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, rows = client.eventcallbackurls, [[]]
    ensure(client, URL)
    monkeypatch.setattr(client, "eventcallbackurls", lambda: rows.pop() if rows else listed())
    assert states(client) == dict.fromkeys(EVENT_TYPES, "registered")


def test_a_backup_of_somebody_else_is_no_obstacle(client: MailjetClient) -> None:
    client.create_eventcallbackurl("sent", THEIRS, is_backup=True)
    assert states(client)["sent"] == "registered"


def test_who_only_looks_changes_nothing_and_says_what_is_repairable(client: MailjetClient) -> None:
    client.create_eventcallbackurl("open", URL)
    client.create_eventcallbackurl("click", URL, version=1)
    client.create_eventcallbackurl("bounce", OLD_HOST)
    client.create_eventcallbackurl("sent", THEIRS)
    before = client.eventcallbackurls()
    seen = read(client, URL)
    assert client.eventcallbackurls() == before
    assert {row.event_type: row.state for row in seen} == {
        **dict.fromkeys(("blocked", "spam", "unsub"), "missing"),
        "open": "unchanged",
        "click": "outdated",
        "bounce": "outdated",
        "sent": "taken",
    }
    assert [row.event_type for row in seen if not row.is_repairable] == ["sent", "open"]
    assert [row.host for row in seen if row.host] == ["hooks.example.com"]
    ensure(client, URL)
    assert [row.event_type for row in read(client, URL) if not row.is_ours] == ["sent"]


def test_who_looks_from_an_unreachable_address_asks_nobody() -> None:
    client = MailjetClient("https://api.mailjet.com", "key", "secret")
    assert {row.state for row in read(client, URL)} == {"unreachable"}


def test_only_those_with_our_token_are_removed(client: MailjetClient) -> None:
    client.create_eventcallbackurl("sent", THEIRS)
    client.create_eventcallbackurl("open", OLD_TOKEN)
    client.create_eventcallbackurl("click", OLD_HOST)
    client.create_eventcallbackurl("spam", f"{URL}?revived=1")
    assert remove(client, URL) == 2
    assert {row.event_type for row in client.eventcallbackurls()} == {"sent", "open"}


@pytest.mark.parametrize(
    "here", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "http://0.0.0.0"]
)
def test_an_address_of_this_machine_is_not_told_to_mailjet(here: str) -> None:
    client = MailjetClient("https://api.mailjet.com", "key", "secret")
    rows = ensure(client, events_url(here, "t0ken"))
    assert [(row.event_type, row.state) for row in rows] == [(name, "unreachable") for name in EVENT_TYPES]
    assert "JETBRIDGE_PUBLIC_URL" in rows[0].message
    assert "t0ken" not in rows[0].message


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("https://jetbridge.example.com", "https://api.mailjet.com"),
        ("http://127.0.0.1:8080", "http://localhost:8081"),
        ("http://10.0.0.7", "https://api.mailjet.com"),
    ],
)
def test_other_addresses_are(here: str, there: str) -> None:
    assert why_unreachable(here, there) is None


def keeper_of(client: MailjetClient, event_log: SqliteEventLog) -> CallbackRegistrar:
    workspace = Workspace.objects.create(name="Shop")
    add_account(event_log, workspace, client.api_url, "key", "secret")
    [account] = directory.load_accounts()
    return CallbackRegistrar(client, URL, replace(account, name="Shop"), event_log)


def test_the_keeper_registers_and_looks_again_in_twenty_minutes(
    client: MailjetClient, event_log: SqliteEventLog
) -> None:
    assert keeper_of(client, event_log).check() == CHECK_SECONDS == 1200.0
    assert len(client.eventcallbackurls()) == 7


def test_the_keeper_says_once_what_is_wrong(
    client: MailjetClient, caplog: pytest.LogCaptureFixture, event_log: SqliteEventLog
) -> None:
    client.create_eventcallbackurl("sent", THEIRS)
    ensure(client, URL)
    keeper = keeper_of(client, event_log)
    keeper.check()
    keeper.check()
    assert [record.args[0] for record in caplog.records if "hooks.example.com" in record.getMessage()] == [
        "Shop"
    ]


def test_the_keeper_outlives_a_wrong_key_pair(
    client: MailjetClient, caplog: pytest.LogCaptureFixture, event_log: SqliteEventLog
) -> None:
    wrong = MailjetClient(client.api_url, "key", "wrong")
    with pytest.raises(PauseError):
        ensure(wrong, URL)
    assert keeper_of(wrong, event_log).check() == CHECK_SECONDS
    assert "rejects the API key" in caplog.text


def test_the_keeper_tries_again_soon_when_mailjet_cannot_be_reached(
    free_port: Callable[[], int], event_log: SqliteEventLog
) -> None:
    keeper = keeper_of(MailjetClient(f"http://127.0.0.1:{free_port()}", "k", "s"), event_log)
    assert keeper.check() <= 5.0
