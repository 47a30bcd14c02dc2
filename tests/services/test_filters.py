"""The setting `filters`: checked when set, applied by the route, and a hold if it cannot be read."""

import json
from typing import Any

import pytest

from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.control.models import Destination, Workspace
from jetbridge.errors import ConfigurationError, PauseError
from jetbridge.integrations import registry
from jetbridge.services import destination_settings

ONE = json.dumps([{"name": "Tests", "if": "match(event, 'T*')"}])


@pytest.fixture
def row(home: Any) -> Destination:
    workspace = Workspace.objects.create(name="Main")
    return workspace.destinations.create(kind="segment", name="Segment", secrets='{"writeKey": "k"}')


def ref(row: Destination) -> DestinationRef:
    (found,) = destinations_of(row.workspace_id)
    return found


def test_every_destination_has_filters() -> None:
    assert all(each.setting("filters") for each in registry.destinations().values())


def test_filters_are_set_as_text_and_asked_by_the_route(row: Destination) -> None:
    assert registry.destination("segment").route(ref(row)).filters is None
    destination_settings.change(row.id, {"filters": ONE})
    filters = registry.destination("segment").route(ref(row)).filters
    assert filters


def test_filters_that_are_all_off_cost_nothing(row: Destination) -> None:
    off = [{**json.loads(ONE)[0], "enabled": False}]
    destination_settings.change(row.id, {"filters": json.dumps(off)})
    assert registry.destination("segment").route(ref(row)).filters is None


def test_what_is_no_filter_is_refused(row: Destination) -> None:
    with pytest.raises(
        ConfigurationError, match="filters: Filter Tests: Line 1, column 1: sounds_like is no function"
    ):
        destination_settings.change(row.id, {"filters": ONE.replace("match(", "sounds_like(")})


def test_what_is_no_filter_and_got_in_holds_the_destination(row: Destination) -> None:
    row.settings = {"filters": "["}
    row.save()
    with pytest.raises(PauseError, match="Filters: The filters are not read"):
        registry.destination("segment").route(ref(row))
