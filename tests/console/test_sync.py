"""Sync: what is under way, what the worker can be asked to do, replays and holds."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from tests.pages import collapsed

from jetbridge.control import directory
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.models import Replay
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Job
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.jobs.tasks import TaskRun, Work
from jetbridge.services import task_types as destination_tasks

from .conftest import OF_A_DESTINATION
from .delivered import Joined, identify, join


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    return join(people, event_log)


def work_off(joined: Joined) -> Task:
    """Do as the worker does."""
    (task,) = tasks.pending()
    ref = directory.destination(joined.row.id)
    assert ref
    do = destination_tasks.of(ref, MAILJET, task.kind)
    assert do
    TaskRun(task, do).run(threading.Event())
    task.refresh_from_db()
    return task


def end_with(result: Mapping[str, Any]) -> Any:
    def do(_: Mapping[str, Any], __: Work) -> Mapping[str, Any]:
        return result

    return do


def read(joined: Joined, event_log: SqliteEventLog, count: int) -> None:
    """So many messages that the destination has read."""
    event_log.append([identify(joined.source, f"u-{number}") for number in range(count)])
    counts = DeliveryCounts(delivered=count)
    with ledger.commit(joined.row.id, event_log.counts().end, {joined.source.id: count}, counts):
        pass


def test_a_page_costs_the_same_however_much_is_under_way(
    joined: Joined, client_of: Any, queries: Any
) -> None:
    client = client_of("viewer")
    for _ in range(2):
        for kind in ("plan", "verify", "repair", "count"):
            tasks.request(joined.row.id, kind, {"n": Task.objects.count()})
        Job.objects.create(account_id=joined.account.id, job_id=Job.objects.count() + 1, contacts=10)
        Replay.objects.create(destination_id=joined.row.id, after=0, position=0, upto=9, messages=9)
        pauses.pause(joined.reader, "A", "Why.")
        pauses.resume(joined.reader)
        with queries() as seen:
            assert client.get(joined.url("destination-sync")).status_code == 200
        assert len(seen) == OF_A_DESTINATION + 17, [each["sql"] for each in seen]


def test_a_plan_is_asked_for_once(joined: Joined, client_of: Any) -> None:
    editor = client_of("editor")
    for _ in range(2):
        answer = editor.post(joined.url("destination-start-task", "plan"))
        assert answer.headers["location"] == f"{joined.url('destination-sync')}#plan"
    assert Task.objects.count() == 1
    assert "Waiting for the worker" in editor.get(joined.url("destination-sync")).content.decode()
    assert AuditEntry.objects.filter(action="destination.plan-asked").exists()


def test_a_task_that_came_to_nothing_says_why(joined: Joined, client_of: Any) -> None:
    joined.row.secrets = '{"apiKey": "unknown"}'
    joined.row.save()
    editor = client_of("editor")
    editor.post(joined.url("destination-start-task", "verify"))
    assert work_off(joined).problem
    assert "belongs to no app connection" in editor.get(joined.url("destination-sync")).content.decode()


def test_differences_are_shown_and_repair_is_offered_to_editors(joined: Joined, client_of: Any) -> None:
    found = {
        "compared": 2_000,
        "under_way": 1,
        "unknown": 3,
        "rejected_values": 0,
        "differences": 2,
        "by_kind": {"missing": 2},
        "learned": 0,
        "repaired": 0,
        "remaining": 2,
        "lists_gone": [],
        "shown": [
            {"kind": "missing", "email": "a@b.c", "about": "", "message": "Mailjet has no such contact."}
        ],
    }
    TaskRun(tasks.request(joined.row.id, "verify"), end_with(found)).run(threading.Event())
    page = client_of("editor").get(joined.url("destination-sync")).content.decode()
    assert "Repair 2 differences" in page
    assert "Mailjet has no such contact." in page
    viewed = client_of("viewer").get(joined.url("destination-sync")).content.decode()
    assert "2 differences" in viewed
    assert "Repair 2 differences" not in viewed
    done = found | {"repaired": 2, "remaining": 0}
    TaskRun(tasks.request(joined.row.id, "repair"), end_with(done)).run(threading.Event())
    page = client_of("editor").get(joined.url("destination-sync")).content.decode()
    assert "for the worker to send" in collapsed(page)


def test_a_task_is_cancelled(joined: Joined, client_of: Any) -> None:
    editor = client_of("editor")
    editor.post(joined.url("destination-start-task", "verify"))
    task = Task.objects.get()
    editor.post(joined.url("destination-task-cancel", task.id))
    task.refresh_from_db()
    assert task.problem == tasks.CANCELLED
    assert AuditEntry.objects.filter(action="destination.verify-cancelled").exists()


def test_a_replay_is_counted_asked_for_and_cancelled(
    joined: Joined, event_log: SqliteEventLog, client_of: Any
) -> None:
    read(joined, event_log, 5)
    editor = client_of("editor")
    editor.post(joined.url("destination-count"), {"source": joined.source.id})
    task = work_off(joined)
    assert "Replay 5 messages" in editor.get(joined.url("destination-sync")).content.decode()
    assert not Replay.objects.exists()
    for status in (302, 404):  # a count is used up by its replay
        assert editor.post(joined.url("destination-replay", task.id)).status_code == status
    row = Replay.objects.get()
    assert (row.after, row.upto, row.source_id, row.messages) == (0, 5, joined.source.id, 5)
    editor.post(joined.url("destination-replay-cancel", row.id))
    assert "cancelled" in editor.get(joined.url("destination-sync")).content.decode()
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["destination.replayed", "destination.replay-cancelled"]


@pytest.mark.parametrize(
    "data",
    [
        {"since": "yesterday"},
        {"since": "2026-01-02T00:00", "until": "2026-01-01T00:00"},
        {"since": "2999-01-01T00:00"},
        {"source": "999999"},
    ],
)
def test_a_span_that_is_none_is_not_counted(joined: Joined, client_of: Any, data: dict[str, str]) -> None:
    answer = client_of("editor").post(joined.url("destination-count"), data)
    assert answer.status_code == 422
    assert not Task.objects.exists()


def test_a_span_without_messages_can_not_be_replayed(joined: Joined, client_of: Any) -> None:
    editor = client_of("editor")
    editor.post(joined.url("destination-count"))
    task = work_off(joined)
    assert "retains no messages there" in editor.get(joined.url("destination-sync")).content.decode()
    answer = editor.post(joined.url("destination-replay", task.id), follow=True)
    assert "The log retains no messages there." in answer.content.decode()
    assert not Replay.objects.exists()


def test_holds_that_were_are_told(joined: Joined, client_of: Any) -> None:
    pauses.pause(joined.reader, "LIST_NOT_FOUND", "The contacts list 10234 is not there any more.")
    pauses.resume_by_hand(joined.reader)
    page = client_of("viewer").get(joined.url("destination-sync")).content.decode()
    assert "The contacts list 10234 is not there any more." in page
    assert "resumed by hand" in page


@pytest.mark.parametrize("role", ["viewer", "outsider"])
def test_only_editors_ask_for_anything(joined: Joined, client_of: Any, role: str) -> None:
    task = tasks.request(joined.row.id, "verify")
    row = Replay.objects.create(destination_id=joined.row.id, after=0, position=0, upto=9, messages=9)
    client, refused = client_of(role), 403 if role == "viewer" else 404
    for url in (
        joined.url("destination-start-task", "verify"),
        joined.url("destination-count"),
        joined.url("destination-task-cancel", task.id),
        joined.url("destination-replay", task.id),
        joined.url("destination-replay-cancel", row.id),
    ):
        assert client.post(url).status_code == refused


def test_tasks_and_replays_of_another_destination_are_not_found(joined: Joined, client_of: Any) -> None:
    task = tasks.request(joined.row.id + 1, "count")
    row = Replay.objects.create(destination_id=joined.row.id + 1, after=0, position=0, upto=9, messages=9)
    owner = client_of("owner")
    for url in (
        joined.url("destination-task-cancel", task.id),
        joined.url("destination-replay", task.id),
        joined.url("destination-replay-cancel", row.id),
        joined.url("destination-start-task", "dance"),
    ):
        assert owner.post(url).status_code == 404
