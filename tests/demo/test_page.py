"""The page fits, and shows what there is to see."""

from collections import Counter
from typing import Any

import pytest
from rich.console import Console

from jetbridge.demo import play
from jetbridge.demo.page import page
from jetbridge.demo.stage import Figures, Stage, State


@pytest.fixture
def stage(day: Any) -> Stage:
    stage = play.stage()
    opening, morning, *_ = stage.acts
    opening.state, opening.result = State.DONE, "Jetbridge on port 65535, the sandbox on port 65535"
    morning.state, morning.done, morning.total = State.RUNNING, 120, 331
    stage.tracks = day.found.tracks
    stage.caption = "08:00 Ada Becker signs up"
    stage.figures = Figures(
        received=1_668,
        delivered=1_635,
        filtered={"UNSUPPORTED_EVENT_TYPE": 30, "FILTERED_BY_INTEGRATIONS_OBJECT": 1, "NO_EMAIL": 1},
        failed={"INVALID_EMAIL": 1},
        contacts=300,
        calls=Counter({"POST contactslist/managemanycontacts": 4, "GET contactslist/managemanycontacts": 9}),
    )
    return stage


def drawn(stage: Stage, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(page(stage, width, height))
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 45), (60, 15), (20, 5)])
def test_it_has_the_terminals_size(stage: Stage, width: int, height: int) -> None:
    lines = drawn(stage, width, height)
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 45)])
def test_nothing_that_matters_is_cut_off(stage: Stage, width: int, height: int) -> None:
    lines = [" ".join(line.split()) for line in drawn(stage, width, height)]
    for wanted in (
        "Jetbridge on port 65535, the sandbox on port 65535",
        "120/331 people sign up in the shop",
        "received 1,668 calls to Mailjet 13",
        "delivered 1,635 GET managemanycontacts 9",
        "filtered 32 UNSUPPORTED_EVENT_TYPE 30 POST managemanycontacts 4",
        "FILTERED_BY_INTEGRATIONS_OBJECT 1",
        "failed 1 INVALID_EMAIL 1",
        "contacts 300 subscribed to the list",
        "08:00 Ada Becker signs up",
    ):
        assert any(wanted in line for line in lines), (wanted, lines)


def test_the_last_track_is_on_top_with_its_person(stage: Stage, day: Any) -> None:
    unsub = day.found.tracks[-1]
    lines = drawn(stage, 80, 24)
    heading = next(number for number, line in enumerate(lines) if line.startswith("Mailjet → "))
    assert f"Email Delivered {len(day.found.tracks) - 2}" in " ".join(lines[heading + 1].split())
    assert f"Unsubscribed {unsub['userId']}" in " ".join(lines[heading + 1].split())


def test_before_anything_happened_it_can_be_drawn() -> None:
    assert len(drawn(play.stage(), 80, 24)) == 24
