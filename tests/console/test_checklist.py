"""The checklist: where each step leads, what it says of trouble, and when it stops asking."""

from collections import Counter
from typing import Any

import pytest

from jetbridge.control import sources
from jetbridge.control.models import SourceKind
from jetbridge.delivery import ledger, metrics, pauses
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.base import SetupStep
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.services.accounts import add_account
from jetbridge.services.queries.setup_steps import steps_of

from .delivered import Joined, identify, join

TITLES = ["source", "account", "connect", "test", "contact"]


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    return join(people, event_log)


def steps(people: Any) -> dict[str, SetupStep]:
    return dict(zip(TITLES, steps_of(people.workspace), strict=True))


def done(people: Any) -> list[str]:
    return [name for name, step in steps(people).items() if step.done]


def receive(joined: Joined, event_log: SqliteEventLog, **outcomes: Any) -> None:
    event_log.append([identify(joined.source, "u")])
    counts = DeliveryCounts(received=Counter({metrics.now(): 1}), **outcomes)
    with ledger.commit(joined.row.id, event_log.counts().end, {joined.source.id: 1}, counts):
        pass


def test_an_empty_workspace_is_led_to_the_forms(people: Any) -> None:
    here = f"/w/{people.workspace.id}"
    assert done(people) == []
    assert [step.href for step in steps(people).values()] == [
        f"{here}/sources/add",
        f"{here}/app-connections/add",
        f"{here}/app-connections/",
        f"{here}/sources/",
        f"{here}/destinations/",
    ]


def test_an_account_leads_to_its_list_and_a_list_to_its_key(people: Any, event_log: SqliteEventLog) -> None:
    account = add_account(event_log, people.workspace, "http://127.0.0.1:9", "public", "private", name="")
    step = steps(people)["connect"]
    page = f"/w/{people.workspace.id}/app-connections/{account.id}/"
    assert (done(people), step.action, step.href) == (["account"], "Choose the list", page)
    connection = accounts.connect_list(account, 7, "Customers")
    step = steps(people)["connect"]
    assert (step.action, step.href) == ("Copy the key", f"{page}#connection-{connection.id}")


def test_a_destination_is_enabled_and_fed_before_it_counts(
    joined: Joined, people: Any, event_log: SqliteEventLog
) -> None:
    for each in joined.row.sources.all():
        ledger.disconnect(each, joined.row, event_log)
    step = steps(people)["connect"]
    assert (step.done, step.action) == (False, "Connect the source")
    assert step.href == f"/w/{people.workspace.id}/sources/{joined.source.id}/#connected"
    ledger.connect(joined.source, joined.row, event_log)
    assert done(people) == ["source", "account", "connect"]
    joined.row.enabled = False
    joined.row.save()
    assert steps(people)["connect"].action == "Enable"


def test_a_test_is_sent_from_a_source_that_leads_to_the_destination(joined: Joined, people: Any) -> None:
    joined.source.name = "Z"
    people.workspace.sources.create(kind=SourceKind.HTTP, name="A")
    assert steps(people)["test"].href == f"/w/{people.workspace.id}/sources/{joined.source.id}/#send"


def test_what_came_before_all_was_connected_is_no_test(people: Any, event_log: SqliteEventLog) -> None:
    source = sources.add_http(people.workspace, "Website")
    event_log.append([identify(source, "early")])
    assert done(people) == ["source"]
    join(people, event_log)
    assert "test" not in done(people)


def test_a_delivered_message_is_the_end(
    joined: Joined, people: Any, event_log: SqliteEventLog, client_of: Any
) -> None:
    client = client_of("viewer")
    assert client.get(f"/w/{people.workspace.id}/").headers["location"].endswith("/checklist/")
    receive(joined, event_log, delivered=1)
    assert done(people) == TITLES
    assert steps(people)["contact"].href == joined.url("destination-contacts")
    assert client.get(f"/w/{people.workspace.id}/").headers["location"].endswith("/destinations/")


def test_a_test_that_did_not_arrive_says_so_and_where_to_look(
    joined: Joined, people: Any, event_log: SqliteEventLog
) -> None:
    receive(joined, event_log, filtered=Counter({"UNSUPPORTED_EVENT_TYPE": 1}))
    step = steps(people)["contact"]
    assert (step.done, step.problem, step.action) == (False, "1 filtered, none delivered yet.", "See why")
    assert step.href == joined.url("destination-event-delivery")
    pauses.pause(joined.reader, "FORBIDDEN", "Mailjet rejects the key.")
    step = steps(people)["contact"]
    assert step.problem == f"{joined.row.name} is paused: Mailjet rejects the key."
    assert step.href == joined.url("destination")


def test_the_part_is_not_sent_again_until_something_is_different(
    joined: Joined, people: Any, event_log: SqliteEventLog, client_of: Any
) -> None:
    client = client_of("viewer")
    path = f"/w/{people.workspace.id}/checklist/"
    seen = client.get(path).context["seen"]
    assert client.get(f"{path}steps?seen={seen}").status_code == 204
    receive(joined, event_log, failed=Counter({"INVALID_EMAIL": 1}))
    answer = client.get(f"{path}steps?seen={seen}")
    assert "1 failed, none delivered yet." in answer.content.decode()
    receive(joined, event_log, delivered=1)
    assert client.get(f"{path}steps?seen={seen}").headers["hx-refresh"] == "true"


def test_who_may_change_nothing_is_not_led_to_forms(people: Any, client_of: Any) -> None:
    path = f"/w/{people.workspace.id}/checklist/"
    assert "Editors and owners of this workspace do these." in client_of("viewer").get(path).content.decode()
    assert "/sources/add" not in client_of("viewer").get(path).content.decode()
    assert "/sources/add" in client_of("editor").get(path).content.decode()
