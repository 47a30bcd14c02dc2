"""Selective sync: tables and columns that a warehouse comes without, as the setting `exclude` names them."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.warehouse.rows import Row, columns_of

_NAME = re.compile(r"(?P<table>\*|[a-z_][a-z0-9_]{0,62})(?:\.(?P<column>[a-z_][a-z0-9_]{0,62}))?")


class InvalidSelection(ConfigurationError):
    """What cannot be left out; the message says what can."""


class Selection(NamedTuple):
    """`columns` are left out of one table, or of all (`*`)."""

    tables: frozenset[str] = frozenset()
    columns: frozenset[tuple[str, str]] = frozenset()

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """What is left of the rows of a message."""
        kept = [row for row in rows if row.table not in self.tables]
        return [self._without_columns(row) for row in kept] if self.columns else kept

    def _without_columns(self, row: Row) -> Row:
        values = {name: value for name, value in row.values.items() if not self._excludes(row.table, name)}
        rejections = [
            rejection for rejection in row.rejections if not self._excludes(row.table, rejection.column)
        ]
        return Row(row.table, values, rejections)

    def _excludes(self, table: str, column: str) -> bool:
        return (table, column) in self.columns or ("*", column) in self.columns


EVERYTHING = Selection()


def parse_selection(text: str) -> Selection:
    """Names as in the database, by commas or lines: `pages`, `order_completed.coupon`, `*.context_ip`. Raises InvalidSelection."""
    tables, columns = set(), set()
    for name in filter(None, re.split(r"[,\s]+", text)):
        match = _NAME.fullmatch(name)
        if match is None or (match["table"] == "*" and match["column"] is None):
            raise InvalidSelection(
                f"{name[:60]!r} is neither a table, as pages, nor a column, as order_completed.coupon or *.context_ip."
            )
        if match["column"] is None:
            tables.add(match["table"])
        elif match["column"] in columns_of(match["table"]):
            raise InvalidSelection(f"{name} is a column that every row needs.")
        else:
            columns.add((match["table"], match["column"]))
    return Selection(frozenset(tables), frozenset(columns))


def selection_problem(text: str) -> str:
    try:
        parse_selection(text)
    except InvalidSelection as error:
        return str(error)
    return ""
