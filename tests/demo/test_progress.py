"""The page fits, and shows what there is to see."""

from collections import Counter
from typing import Any

import pytest
from rich.console import Console

from jetbridge.demo.demo import STEPS
from jetbridge.demo.progress import Figures, Progress, Step, page


def steps() -> list[Step]:
    return [Step(name, what) for name, what in STEPS.items()]


@pytest.fixture
def progress(day: Any) -> Progress:
    progress = Progress(steps())
    opening, morning, *_ = progress.steps
    opening.state, opening.result = "done", "Jetbridge at 127.0.0.1:65535, the sandbox at 127.0.0.1:65535"
    morning.state, morning.done, morning.total = "running", 120, 331
    progress.tracks = day.observed.tracks
    progress.caption = "08:00 Ada Becker signs up"
    progress.figures = Figures(
        received=1_668,
        delivered=1_635,
        filtered={"UNSUPPORTED_EVENT_TYPE": 30, "FILTERED_BY_INTEGRATIONS_OBJECT": 1, "NO_EMAIL": 1},
        failed={"INVALID_EMAIL": 1},
        contacts=300,
        calls=Counter({"POST contactslist/managemanycontacts": 4, "GET contactslist/managemanycontacts": 9}),
    )
    return progress


def drawn(progress: Progress, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(page(progress, height))
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 45), (60, 15), (20, 5)])
def test_it_has_the_terminals_size(progress: Progress, width: int, height: int) -> None:
    lines = drawn(progress, width, height)
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 45)])
def test_nothing_that_matters_is_cut_off(progress: Progress, width: int, height: int) -> None:
    lines = [" ".join(line.split()) for line in drawn(progress, width, height)]
    for text in (
        "Jetbridge at 127.0.0.1:65535,",
        "120/331 people sign up in the shop",
        "received 1,668 calls to Mailjet 13",
        "delivered 1,635 GET managemanycontacts 9",
        "filtered 32 UNSUPPORTED_EVENT_TYPE 30",
        "POST managemanycontacts 4",
        "failed 1 INVALID_EMAIL 1",
        "contacts 300 subscribed to the list",
        "08:00 Ada Becker signs up",
    ):
        assert any(text in line for line in lines), (text, lines)


def test_the_last_track_is_on_top_with_its_person(progress: Progress, day: Any) -> None:
    unsub = day.observed.tracks[-1]
    lines = drawn(progress, 80, 24)
    heading = next(number for number, line in enumerate(lines) if line.startswith("Mailjet → "))
    assert f"Unsubscribed {unsub['userId']}" in " ".join(lines[heading + 1].split())
    assert f"Email Delivered {len(day.observed.tracks) - 2}" in " ".join(lines[heading + 2].split())


def test_before_anything_happened_it_can_be_drawn() -> None:
    assert len(drawn(Progress(steps()), 80, 24)) == 24
