from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import override_settings
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.control import secret_field
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


@given(st.text(max_size=200))
def test_what_is_sealed_is_unsealed_and_hidden(text: str) -> None:
    sealed = secret_field.seal(text)
    assert secret_field.unseal(sealed, 60) == text
    assert len(text) < 4 or text not in sealed


@given(st.text(), st.data())
def test_what_was_changed_on_the_way_is_nothing(text: str, data: st.DataObject) -> None:
    sealed = secret_field.seal(text)
    at = data.draw(st.integers(0, len(sealed) - 4))
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    assert secret_field.unseal(changed, 60) is None
    assert secret_field.unseal(sealed[:at], 60) is None


@given(st.text())
def test_what_nobody_sealed_is_nothing(text: str) -> None:
    assert secret_field.unseal(text, 60) is None


def test_what_is_sealed_ends_and_is_this_jetbridges_own() -> None:
    sealed = secret_field.seal("x")
    assert secret_field.unseal(sealed, -1) is None
    with override_settings(SECRET_KEY="x" * 40):
        assert secret_field.unseal(sealed, 60) is None


def test_a_stored_secret_that_was_changed_is_not_taken_for_another(home: Path) -> None:
    row = stored(home)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE control_destination SET secrets = 'gAAAAA' || substr(secrets, 9)")
    with pytest.raises(ConfigurationError):
        Destination.objects.get(id=row.id)


def test_an_empty_secret_is_stored_empty(home: Path) -> None:
    row = stored(home)
    row.secrets = ""
    row.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM control_destination")
        assert cursor.fetchone() == ("",)
    assert Destination.objects.get(id=row.id).secrets == ""


def test_the_tag_of_a_destination_is_its_own_and_this_jetbridges() -> None:
    tags = [secret_field.destination_tag(number) for number in range(1, 100)]
    with override_settings(SECRET_KEY="x" * 40):
        tags += [secret_field.destination_tag(number) for number in range(1, 100)]
    assert len(set(tags)) == 198
