"""`users` and `accounts`: one row per person or group, in each column what the latest message says.

Latest by message time (equal times: the greater messageId), whatever the order in which messages come. When and by which message a column
was set last stands in a table of its own beside (`_users_times`), so that rows of the table itself are only what people look for.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from jetbridge.integrations.warehouse.column_types import ColumnType
from jetbridge.integrations.warehouse.database import TableName
from jetbridge.integrations.warehouse.rows import Row
from jetbridge.integrations.warehouse.table import ROW_VALUES
from jetbridge.spec.message import Message

TIMES_COLUMNS: Final[Mapping[str, ColumnType]] = {"id": ColumnType.TEXT, "times": ColumnType.TEXT}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Stamp(NamedTuple):
    """Which of two messages is the later one: microseconds since 1970, and the messageId."""

    time: int
    message_id: str


def times_table(table: TableName) -> TableName:
    return TableName(table.schema, f"_{table.name}_times")


class Latest:
    """The columns of one id: when each was set, and what a batch sets anew."""

    def __init__(self, id_: str, times: str | None) -> None:
        """`times` is what the table of times holds for the id."""
        self.id = id_
        self._stamps: dict[str, Stamp] = {}
        for time, message_id, columns in _decode_times(times or "[]"):
            self._stamps.update(dict.fromkeys(columns, Stamp(time, message_id)))
        #: By column that the batch sets: the place of the row with its value.
        self.places: dict[str, int] = {}

    def merge(self, row: Row, message: Message, place: int) -> dict[str, Any]:
        """What of the row of a message is later than what is here, and the id; {} if nothing is. `None` clears a column.

        A row has no more than ROW_VALUES columns over all messages; what is beyond is in the rows of the calls.
        """
        stamp = Stamp((message.timestamp - _EPOCH) // _MICROSECOND, message.message_id)
        changes: dict[str, Any] = {}
        for column, value in row.values.items():
            present = self._stamps.get(column)
            if column == "id" or (present is not None and present >= stamp):
                continue
            if present is not None or len(self._stamps) < ROW_VALUES:
                self._stamps[column] = stamp
                changes[column] = value
        if not changes:
            return changes
        changes = {"id": self.id, **changes}
        self.places.update(dict.fromkeys(changes, place))
        return changes

    @property
    def times(self) -> str:
        """For the table of times: columns by the message that set them, in one order whatever came first."""
        columns: dict[Stamp, list[str]] = {}
        for column, stamp in self._stamps.items():
            columns.setdefault(stamp, []).append(column)
        return msgspec.json.encode(
            [(*stamp, sorted(names)) for stamp, names in sorted(columns.items())]
        ).decode()


_decode_times = msgspec.json.Decoder(Sequence[tuple[int, str, list[str]]]).decode
