"""Plan, verify and repair as tasks of the worker."""

import threading
from typing import Any

from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.jobs.tasks import TaskRun
from jetbridge.services import task_types as destination_tasks


def done(bridge: Any, kind: str, **options: Any) -> Task:
    task = tasks.request(bridge.destination.id, kind, options)
    do = destination_tasks.of(bridge.destination, MAILJET, kind)
    assert do
    TaskRun(task, do).run(threading.Event())
    task.refresh_from_db()
    assert task.problem == ""
    return task


def test_a_plan_is_made(bridge: Any) -> None:
    bridge.send("u-1", {"email": "ada@example.com", "plan": "pro"})
    bridge.merge()
    found = tasks.result_of(done(bridge, "plan"))
    assert found
    assert (found["due"], found["created"], found["properties"]) == (1, 1, {"plan": "str"})


def test_a_difference_is_found_and_repaired(started: Any) -> None:
    started.send("u-1", {"email": "ada@example.com", "plan": "pro"})
    started.rest()
    by_hand = {"Email": "ada@example.com", "Action": "addnoforce", "Properties": {"plan": "free"}}
    started.mailjet.managecontact(started.list_id, by_hand)
    task = done(started, "verify")
    found = tasks.result_of(task)
    assert found
    assert (found["differences"], found["remaining"], task.done > 0) == (1, 1, True)
    assert found["shown"][0]["email"] == "ada@example.com"
    repaired = tasks.result_of(done(started, "repair"))
    assert repaired
    assert repaired["repaired"] == 1
    started.rest()
    assert started.properties("ada@example.com")["plan"] == "pro"


def test_a_replay_is_counted(started: Any) -> None:
    for number in range(3):
        started.send(f"u-{number}", {"email": f"p{number}@example.com"})
    started.rest()
    task = done(started, "count", source=started.source)
    found = tasks.result_of(task)
    assert found
    assert (found["messages"], found["let_through"], found["by_type"]) == (3, 3, {"identify": 3})
    assert (found["source"], task.expected) == (started.source, 3)
    assert tasks.result_of(done(started, "count", until="2020-01-01T00:00:00+00:00"))["messages"] == 0  # type: ignore[index]


def test_a_kind_can_only_do_what_it_can(bridge: Any) -> None:
    assert destination_tasks.of(bridge.destination, MAILJET, "dance") is None
