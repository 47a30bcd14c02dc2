from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import override_settings

from jetbridge.control.models import Destination, Workspace
from jetbridge.errors import ConfigurationError


def stored(home: Path) -> Destination:
    row: Destination = Workspace.objects.create(name="Main").destinations.create(
        name="a", kind="b", secrets='{"k": "value"}'
    )
    return row


def test_a_secret_comes_back_as_it_was(home: Path) -> None:
    assert Destination.objects.get(id=stored(home).id).secrets == '{"k": "value"}'


def test_the_same_secret_is_stored_differently_each_time(home: Path) -> None:
    row = stored(home)
    seen = set()
    for _ in range(3):
        row.save()
        with connection.cursor() as cursor:
            cursor.execute("SELECT secrets FROM control_destination")
            seen.add(cursor.fetchone()[0])
    assert len(seen) == 3


def test_another_secret_key_is_told_apart_from_damage(home: Path) -> None:
    row = stored(home)
    with (
        override_settings(SECRET_KEY="x" * 40),
        pytest.raises(ConfigurationError, match="encrypted under another JETBRIDGE_SECRET_KEY"),
    ):
        Destination.objects.get(id=row.id)
