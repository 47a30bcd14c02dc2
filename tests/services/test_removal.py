"""A destination that is removed leaves nothing that an integration kept for it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from jetbridge.control.models import Destination, Workspace
from jetbridge.engage.models import Space
from jetbridge.integrations import registry
from jetbridge.integrations.mailjet.models import ReplacedList, TraitName
from jetbridge.integrations.warehouse.models import ErasedRows, Run, Schema, Table
from jetbridge.integrations.webhook.models import Cut, Deletion
from jetbridge.services import removal

#: What each kind keeps by destination.
KEPT: dict[str, set[type[models.Model]]] = {
    "mailjet": {TraitName, ReplacedList},
    "segment": set(),
    "warehouse": {Schema, Run, Table, ErasedRows},
    "webhook": {Cut, Deletion},
}
ANY: dict[type, Any] = {
    models.BigIntegerField: 7,
    models.IntegerField: 7,
    models.DateTimeField: datetime.now(UTC),
    models.CharField: "x",
    models.TextField: "x",
    models.JSONField: [7],
}


def keep(model: type[models.Model], destination: int) -> None:
    """One row of a destination, with values that fit."""
    needed = [f for f in model._meta.concrete_fields if not (f.primary_key or f.null or f.has_default())]
    values = {field.attname: ANY[type(field)] for field in needed} | {"destination_id": destination}
    model._default_manager.create(**values)


def names(model: type[models.Model]) -> list[int]:
    """The destinations that rows name."""
    return list(model._default_manager.order_by("pk").values_list("destination_id", flat=True))


def test_every_table_of_destinations_is_listed_here(home: Path) -> None:
    """Totals and positions, which name nobody, are delivery's: `removing.remove` says which of them stay. What Engage sends
    there goes by its foreign key, as the next test says.
    """
    by_destination = {
        model
        for model in apps.get_models()
        if "destination_id" in {field.attname for field in model._meta.concrete_fields}
        and not model.__module__.startswith(
            (
                "jetbridge.delivery",
                "jetbridge.jobs",
                "jetbridge.privacy",
                "jetbridge.control",
                "jetbridge.engage",
            )
        )
    }
    assert set().union(*KEPT.values()) == by_destination
    assert KEPT.keys() == registry.destinations().keys()


@pytest.mark.parametrize("kind", sorted(KEPT))
def test_what_a_kind_keeps_goes_with_the_destination(home: Path, kind: str) -> None:
    workspace = Workspace.objects.create(name="Shop")
    removed, other = (workspace.destinations.create(name=name, kind=kind) for name in "ab")
    for model in KEPT[kind]:
        keep(model, removed.id)
        keep(model, other.id)
    removal.remove(removed)
    assert {model.__name__: names(model) for model in KEPT[kind]} == {
        model.__name__: [other.id] for model in KEPT[kind]
    }


def test_audiences_are_sent_no_more_to_a_destination_that_is_removed(home: Path) -> None:
    workspace = Workspace.objects.create(name="Shop")
    removed, other = (workspace.destinations.create(name=name, kind="webhook") for name in "ab")
    space = Space.objects.create(
        workspace=workspace, source=workspace.sources.create(name="Engage", kind="engage")
    )
    audience = space.computations.create(computation_class="audience", name="A", key="a", definition={})
    for destination in (removed, other):
        audience.activations.create(destination=destination)
    removal.remove(removed)
    assert [row.destination for row in audience.activations.all()] == [other]


def test_a_kind_that_is_not_there_any_more_can_be_removed(home: Path) -> None:
    row = Workspace.objects.create(name="Shop").destinations.create(name="Old", kind="telegraph")
    removal.remove(row)
    assert not Destination.objects.exists()
