"""Pages by key: every row once, in order, in one query each, also while new rows come."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from jetbridge.console.pager import Page, page_of
from jetbridge.control.models import Source, Workspace


@pytest.fixture
def workspace(home: Path) -> Workspace:
    workspace = Workspace.objects.create(name="Shop")
    add(workspace, 7)
    return workspace


def add(workspace: Workspace, total: int) -> None:
    for _ in range(total):
        workspace.sources.create(name=str(workspace.sources.count() + 1), kind="http")


def page(query: str = "") -> Page[Source]:
    request = RequestFactory().get(f"/{query}")
    with CaptureQueriesContext(connection) as seen:
        found = page_of(Source.objects.all(), request, size=3)
    assert len(seen) == 1
    return found


def names(found: Page[Any]) -> list[str]:
    return [row.name for row in found.rows]


def test_it_walks_back_and_forth(workspace: Workspace) -> None:
    first = page()
    second = page(first.older)
    third = page(second.older)
    assert [names(found) for found in (first, second, third)] == [["7", "6", "5"], ["4", "3", "2"], ["1"]]
    assert (first.newer, third.older) == ("", "")
    back = page(third.newer)
    assert names(back) == ["4", "3", "2"]
    assert names(page(back.newer)) == ["7", "6", "5"]
    assert page(back.newer).newer == ""


def test_rows_that_come_move_no_page(workspace: Workspace) -> None:
    older = page().older
    add(workspace, 5)
    assert names(page(older)) == ["4", "3", "2"]


def test_the_search_stays_in_the_address(workspace: Workspace) -> None:
    assert page("?q=a%20b&before=7").older == "?q=a+b&before=4"
    assert page("?q=a%20b&before=4").newer == "?q=a+b&after=3"


@pytest.mark.parametrize("query", ["?before=x", "?before=-1", "?before=" + "9" * 30, "?after="])
def test_nonsense_is_the_first_page(workspace: Workspace, query: str) -> None:
    assert names(page(query)) == ["7", "6", "5"]


def test_nothing_has_no_neighbours(home: Path) -> None:
    assert page() == Page([], "", "")
