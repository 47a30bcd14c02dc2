"""One table and what a batch adds to it: which values fit, which columns are new, which become wider, what is rejected.

Values are fitted column by column: most columns have values of one kind, and those need one look at all of them.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from jetbridge.integrations.warehouse.column_types import (
    EXACT_FLOAT,
    FIT,
    INTEGER_MAX,
    INTEGER_MIN,
    ColumnType,
    Misfit,
    Value,
    fit_unchanged,
    natural_type,
)
from jetbridge.integrations.warehouse.database import Session, TableInfo, TableName
from jetbridge.integrations.warehouse.rows import ID_COLUMNS, Rejection

#: Columns that one message may add to a table.
NEW_COLUMNS: Final = 200
#: Columns of one table. PostgreSQL has at most 1,600, and counts those that were dropped.
TABLE_COLUMNS: Final = 1_000
#: Values of one row. A row of PostgreSQL has to fit in 8 KB when each long value takes 18 bytes.
ROW_VALUES: Final = 300


class _Column:
    """A column that the batch uses, and its values by the place of their row."""

    __slots__ = ("is_new", "type", "values", "was_widened")

    def __init__(self, type_: ColumnType, *, is_new: bool) -> None:
        self.type, self.is_new, self.was_widened = type_, is_new, False
        self.values: Sequence[Value] = ()


class Table:
    """A table as it is, and the rows that are to be added: first `add` them all, then `fit` them.

    What comes out does not depend on how many rows are added at once: each value meets what the rows before it have made of its column.
    """

    def __init__(
        self,
        session: Session,
        name: TableName,
        info: TableInfo | None,
        declared: Mapping[str, ColumnType],
        required: Collection[str] = ("id",),
    ) -> None:
        """`info` is None if there is no such table yet; it is made with the `declared` columns.

        Without the `required` ones, in their type, nothing can be loaded: `problem` says so.
        """
        self._session, self.name, self._info, self._declared = session, name, info, declared
        self._columns: dict[str, _Column] = {}
        self._total = len(info.columns if info else declared)
        self._rows: list[Mapping[str, Any]] = []
        #: What a row comes without, by its place.
        self.rejections: defaultdict[int, list[Rejection]] = defaultdict(list)
        self.problem = self._find_problem(required) if info else ""

    def _find_problem(self, required: Collection[str]) -> str:
        """What a person has to change before anything can be loaded; "" if nothing."""
        assert self._info is not None
        anew = "and it is made anew, and what waits is loaded"
        if self._info.kind != "BASE TABLE":
            return f"{self.name} is a {self._info.kind.lower()} and has to be a table. Rename or drop it, {anew}."
        for column in required:
            native = self._info.columns.get(column)
            needed = self._session.native_types[self._declared[column]]
            if native is None:
                return (
                    f"{self.name} has no column {column} any more. Add it again, or rename the table, {anew}."
                )
            if native != needed:
                return (
                    f"The column {column} of {self.name} has the type {native} and needs {needed}. "
                    f"Change it back, or rename the table, {anew}."
                )
        return ""

    @property
    def exists(self) -> bool:
        return self._info is not None

    @property
    def has_rows(self) -> bool:
        return bool(self._rows)

    def add(self, values: Mapping[str, Any], rejections: Sequence[Rejection] = ()) -> None:
        """Take a row, and what it comes without already. None clears a column."""
        place = len(self._rows)
        if rejections:
            self.rejections[place] += rejections
        if len(values) > ROW_VALUES or not values.keys() <= self._columns.keys():
            values = self._within_limits(values, place)
        self._rows.append(values)

    def _within_limits(self, values: Mapping[str, Any], place: int) -> dict[str, Any]:
        """The values of a row that have a column, or get one now."""
        kept: dict[str, Any] = {}
        new = filled = 0
        for name, value in values.items():
            if value is not None and filled >= ROW_VALUES:
                self._reject(place, name, value, f"the row has {ROW_VALUES} values already")
                continue
            if name not in self._columns:
                try:
                    column = self._find_column(name, value, may_add=new < NEW_COLUMNS)
                except Misfit as misfit:
                    self._reject(place, name, value, str(misfit))
                    continue
                if column is None:
                    continue
                self._columns[name] = column
                new += column.is_new and name not in self._declared
            kept[name] = value
            filled += value is not None
        return kept

    def _reject(self, place: int, name: str, value: Any, reason: str) -> None:
        self.rejections[place].append(Rejection(name, value, reason))

    def _find_column(self, name: str, value: Any, *, may_add: bool) -> _Column | None:
        """The column for a value that is the first for it in the batch; None if there is nothing to clear. Raises Misfit."""
        native = self._info.columns.get(name) if self._info else None
        if native is not None:
            type_ = _type_of(self._session, native)
            if type_ is None and value is not None:
                raise Misfit(f"the column is of type {native}, which Jetbridge does not write")
            return None if type_ is None else _Column(type_, is_new=False)
        if value is None:
            return None
        declared = self._declared.get(name) or (ColumnType.TEXT if name in ID_COLUMNS else None)
        if declared is not None:
            return _Column(declared, is_new=True)
        if not may_add:
            raise Misfit(f"the message has {NEW_COLUMNS} new columns already")
        if self._total >= TABLE_COLUMNS:
            raise Misfit(f"the table has {TABLE_COLUMNS} columns already")
        type_ = natural_type(value)
        FIT[type_](value)
        self._total += 1
        return _Column(type_, is_new=True)

    def fit(self) -> None:
        """Make of all values what their columns store. What does not fit is NULL, and a rejection of its row."""
        for name, column in self._columns.items():
            values = [row.get(name) for row in self._rows]
            if not fit_unchanged(column.type, values):
                values = self._fit_column(name, column, values)
            column.values = values

    def _fit_column(self, name: str, column: _Column, values: Sequence[Any]) -> list[Value]:
        widens_at = len(values)
        if column.type is ColumnType.INTEGER and float in map(type, values):
            widens_at = self._find_widening(name, column, values)
        fitted: list[Value] = []
        for place, value in enumerate(values):
            if place == widens_at:
                column.type, column.was_widened = ColumnType.FLOAT, not column.is_new
                fitted = [float(number) if isinstance(number, int) else None for number in fitted]
            try:
                fitted.append(None if value is None else FIT[column.type](value))
            except Misfit as misfit:
                fitted.append(None)
                self._reject(place, name, value, str(misfit))
        return fitted

    def _find_widening(self, name: str, column: _Column, values: Sequence[Any]) -> int:
        """The place of the fraction with which a column of integers becomes one of floats; that of no row if it stays as it is.

        All integers that the table then holds have to stay what they are as floats.
        """
        large: set[str] = set()
        if not column.is_new:  # of more ids than there are rows, one is left at the end
            large.update(self._session.ids_of_large(self.name, name, len(values) + 1))
        for place, row in enumerate(self._rows):
            if name not in row:
                continue
            value, id_ = values[place], row["id"]
            large.discard(id_)  # only rows of `users` and `accounts` come twice, and replace their values
            if type(value) is int and INTEGER_MIN <= value <= INTEGER_MAX and abs(value) > EXACT_FLOAT:
                large.add(id_)
            elif type(value) is float and math.isfinite(value) and not large:
                return place
        return len(values)

    @property
    def described(self) -> dict[str, str]:
        """All columns that it has after `write`, with their types: ours, or the database's own."""
        types: dict[str, str] = dict(self._declared)
        if self._info:
            types = {
                name: _type_of(self._session, native) or native for name, native in self._info.columns.items()
            }
        return {name: str(type_) for name, type_ in {**types, **self.columns}.items()}

    def write(self, without: Collection[int] = ()) -> None:
        """Make or alter the table, and append the rows, but for those at some places."""
        self.alter()
        if not self._rows:
            return
        rows: Iterable[Sequence[Value]] = zip(
            *(column.values for column in self._columns.values()), strict=True
        )
        if without:
            rows = (row for place, row in enumerate(rows) if place not in without)
        self._session.insert(self.name, self.columns, rows)

    def alter(self) -> None:
        """Make the table what the rows need."""
        new = {name: type_ for name, type_ in self.columns.items() if self._columns[name].is_new}
        if self._info is None:
            self._session.create_table(self.name, {**self._declared, **new})
            return
        self._session.add_columns(self.name, new)
        for name, column in self._columns.items():
            if column.was_widened:
                self._session.widen(self.name, name)

    @property
    def columns(self) -> dict[str, ColumnType]:
        """Those that have values in the batch, in the order of a row's values."""
        return {name: column.type for name, column in self._columns.items()}

    def row(self, places: Mapping[str, int]) -> list[Value]:
        """A row made of several: of some columns the value at a place, NULL in the others."""
        return [
            column.values[places[name]] if name in places else None for name, column in self._columns.items()
        ]


def _type_of(session: Session, native: str) -> ColumnType | None:
    return next((type_ for type_, name in session.native_types.items() if name == native), None)
