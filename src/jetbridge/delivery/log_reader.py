"""Reads the log for one reader, and only as long as it is the log in which the reader's position means something.

A log that was removed, or replaced by an older copy, begins anew: a reader that stood at 3,000 would see nothing of the
next 3,000 messages. So a position carries the identity of its log and a mark of the record that it stands at. Both are
checked when a reader begins, every few seconds, and at once when another file has taken the log's place.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from jetbridge.delivery.models import ConsumerOffset
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import EventLog, Place, PositionRange, Record, is_same_record, mark
from jetbridge.heartbeat import beat

#: Codes of pauses: the log is another one; it is an older copy of the one that was read.
LOG_REPLACED, LOG_BEHIND = "LOG_REPLACED", "LOG_BEHIND"
VERIFY_SECONDS = 5.0
#: How many records a scan of the log takes at once. Fewer syncs the larger, but 2,000 calls and their contacts
#: outgrow the processor's cache: merging is a tenth slower than with 1,000.
SCAN_RECORDS = 1_000

_WAY_ON = (
    "What the earlier log held and was not read is in that file only: stop Jetbridge and put it back, if you have it. Else run "
    "`jetbridge admin reset-positions --to earliest`: all of this log is read (contacts are merged by time, and receivers "
    "of events drop a messageId that they know). `--to latest` leaves out what is in it by now."
)


class LogReader:
    """For one thread. `read` and `verify` raise PauseError; after that they look again where the row says."""

    def __init__(
        self, event_log: EventLog, consumer: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = event_log
        self._consumer = consumer
        self._clock = clock
        self.place = Place()
        self._generation = 0
        self._verify_at = float("-inf")
        self._is_paused = False
        self._load()

    def read(self, limit: int) -> Sequence[Record]:
        """The next records. `moved` says that their effects are stored."""
        self.verify()
        records = self._log.read(self.position, limit=limit)
        self.verify()  # it may have been replaced in between
        return records

    @property
    def unread(self) -> int:
        """Records of any source that follow; negative in a log that is not that of the position."""
        return self._log.counts().end - self.position

    def place_of(self, record: Record) -> Place:
        """For `ledger.move`."""
        return Place(self.place.log, mark(record))

    def moved(self, position: int, place: Place) -> None:
        """The row says so already, or will soon."""
        self.position, self.place = position, place

    def verify(self) -> None:
        """Raises PauseError if the log is not that of the position."""
        is_due = self._is_paused or self._clock() >= self._verify_at
        if not is_due and self._log.generation == self._generation:
            return
        self._generation = self._log.generation
        if self._is_paused:
            self._load()
        self._is_paused = True
        if error := problem(self._log, self.position, self.place):
            raise error
        if not self.place.log:  # of a version that knew no identity, or a reader that has only begun
            self.place = self._log.place(self.position)
            if self.position:  # the beginning means the same in every log
                row = ConsumerOffset.objects.filter(consumer=self._consumer)
                row.update(position=self.position, log=self.place.log, mark=self.place.mark)
        self._is_paused = False
        self._verify_at = self._clock() + VERIFY_SECONDS

    def _load(self) -> None:
        row = ConsumerOffset.objects.get(consumer=self._consumer)
        self.position, self.place = row.position, Place(row.log, row.mark)


def problem(event_log: EventLog, position: int, place: Place) -> PauseError | None:
    """Why a position means nothing in this log."""
    here = event_log.place(position)
    if place.log and place.log != here.log:
        return PauseError(
            LOG_REPLACED,
            f"The event log is another one than that in which this reader stood at position {position:,}. {_WAY_ON}",
        )
    end = event_log.counts().end
    if position > end:
        return PauseError(
            LOG_BEHIND,
            f"The event log ends at position {end:,}, and this reader stood at {position:,}: it is an older copy. {_WAY_ON}",
        )
    if place.mark and here.mark and not is_same_record(here.mark, place.mark):
        return PauseError(
            LOG_REPLACED,
            f"The event log holds another record at position {position:,} than the one that was read there: it is an older "
            f"copy that has grown since. {_WAY_ON}",
        )
    return None


def problems(event_log: EventLog) -> Iterator[tuple[ConsumerOffset, PauseError]]:
    """Of every reader whose position means nothing in this log."""
    for row in ConsumerOffset.objects.order_by("consumer"):
        if error := problem(event_log, row.position, Place(row.log, row.mark)):
            yield row, error


def position_before(event_log: EventLog, moment: int) -> int:
    """The position after which records were received at `moment` (ms since 1970) or later.

    Looks at some twenty records. Web processes append side by side, so close to the moment a record may
    stand some milliseconds off.
    """

    def is_after(position: int) -> bool:
        following = event_log.read(position, limit=1)
        return not following or following[0].received_at >= moment

    return bisect_left(range(event_log.counts().end), True, key=is_after)  # noqa: FBT003 - what to look for


def read_range(event_log: EventLog, positions: PositionRange) -> Iterator[list[Record]]:
    """The records of a range, `SCAN_RECORDS` at a time."""
    after = positions.after
    while after < positions.upto and (records := event_log.read(after, limit=SCAN_RECORDS)):
        beat()
        yield [record for record in records if record.position <= positions.upto]
        after = records[-1].position
