"""The database backend translates placeholders as Django's own does, however often a statement comes."""

from pathlib import Path

from django.db import connection

from jetbridge.control.sqlite.base import Cursor


def test_placeholders_are_translated_every_time(home: Path) -> None:
    with connection.cursor() as cursor:
        assert isinstance(cursor.cursor, Cursor)
        for number in (1, 2):
            cursor.execute("SELECT %s, '100%%', %s", [number, "%s"])
            assert cursor.fetchone() == (number, "100%", "%s")
            cursor.execute("SELECT %(one)s + %(other)s", {"one": number, "other": 1})
            assert cursor.fetchone() == (number + 1,)


def test_a_statement_without_parameters_goes_as_it_is(home: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT '%s %%'")
        assert cursor.fetchone() == ("%s %%",)
