"""Tasks: asked for by a person, done by the worker, again if it died."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jetbridge.errors import ConfigurationError
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.jobs.tasks import TaskRun, Work
from jetbridge.spec.person import Identity

GO_ON = threading.Event()


def do(task: Task, function: tasks.TaskFunction, stop: threading.Event = GO_ON) -> Task:
    TaskRun(task, function).run(stop)
    task.refresh_from_db()
    return task


def test_a_task_tells_how_far_it_is_and_leaves_its_result(home: Path) -> None:
    seen: list[tuple[int, int | None]] = []

    def count(options: Mapping[str, Any], work: Work) -> dict[str, Any]:
        work.expect(10)
        work._stored_at = float("-inf")
        work.advance(4)
        seen.extend(Task.objects.values_list("done", "expected"))
        return {"upto": options["upto"]}

    task = do(tasks.request(1, "count", {"upto": 7}), count)
    assert seen == [(4, 10)]
    assert tasks.result_of(task) == {"upto": 7}
    assert task.ended_at
    assert tasks.pending() == []


def test_a_task_that_fails_says_why(home: Path) -> None:
    def fail(options: Mapping[str, Any], work: Work) -> dict[str, Any]:
        raise ConfigurationError("There is no such list.")

    task = do(tasks.request(1, "count"), fail)
    assert (task.problem, tasks.result_of(task)) == ("There is no such list.", None)


def test_a_task_that_breaks_ends(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(options: Mapping[str, Any], work: Work) -> dict[str, Any]:
        raise ZeroDivisionError

    assert "worker's log" in do(tasks.request(1, "count"), broken).problem
    assert "ZeroDivisionError" in caplog.text


def test_a_cancelled_task_does_no_more(home: Path) -> None:
    task = tasks.request(1, "count")

    def cancelled(options: Mapping[str, Any], work: Work) -> dict[str, Any]:
        assert tasks.cancel(task.id)
        work.advance()
        raise AssertionError

    assert do(task, cancelled).problem == tasks.CANCELLED
    assert not tasks.cancel(task.id)
    assert do(task, cancelled).problem == tasks.CANCELLED


def test_a_task_that_the_end_of_the_worker_cuts_off_is_still_to_be_done(home: Path) -> None:
    stop = threading.Event()

    def cut_off(options: Mapping[str, Any], work: Work) -> dict[str, Any]:
        stop.set()
        work.advance()
        raise AssertionError

    task = do(tasks.request(1, "count"), cut_off, stop)
    assert [row.id for row in tasks.pending()] == [task.id]


def test_the_same_is_asked_for_once(home: Path) -> None:
    first = tasks.request(1, "verify")
    assert tasks.request(1, "verify").id == first.id
    assert tasks.request(1, "verify", {"repair": True}).id != first.id
    assert tasks.request(2, "verify").id != first.id
    assert [row.destination_id for row in tasks.pending()] == [1, 2]


def test_results_that_name_a_forgotten_person_go(home: Path) -> None:
    def tell(options: Mapping[str, Any], work: Work) -> dict[str, Any]:
        return {"shown": [{"email": "zoë@example.com"}]}

    task = do(tasks.request(1, "verify"), tell)
    assert tasks.forget([2], Identity.of_name("zoë@example.com")) == 0
    assert tasks.forget([1], Identity.of_name("example")) == 0
    assert tasks.forget([1], Identity(emails=frozenset({"zoë@example.com"}))) == 1
    task.refresh_from_db()
    assert task.result == ""
