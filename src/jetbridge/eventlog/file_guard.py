"""Notices that the log's file was replaced or overwritten while it is open, and gives what is there a file of its own.

Another file at the path has another inode. `cp older.db eventlog.db` keeps the inode, and SQLite, which goes on with its
write-ahead log beside the file, would mix the two. So each transaction of the log writes the header of the database: it counts
one up (`user_version`), and says whose it is (`application_id`). VACUUM, which moves all pages, counts the schema cookie up. In
the file itself the header changes only when the write-ahead log is moved into it, and its counts never go back. Reading it takes
some microseconds.

What it cannot tell: a copy, page by page, in whose header the counts are as high as they were when the write-ahead log was moved
last. It differs in nothing but what the write-ahead log has anyway.
"""

import fcntl
import logging
import os
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

#: Who copies something over the file has ended when it has not changed for so long.
QUIET_SECONDS = 2.0
#: Of the 32 bits of `user_version`, one is its sign.
COUNTS = 2**31
_COOKIES = 2**32

#: https://www.sqlite.org/fileformat.html: size of the header, and where in it something is.
_HEADER, _VERSIONS, _SCHEMA_COOKIE, _USER_VERSION, _APPLICATION_ID = 100, 18, 40, 60, 68
_WITH_LOG = b"\x02\x02"


class Overwritten(Exception):
    """The file is being overwritten, or cannot be opened anew."""


class FileId(NamedTuple):
    device: int
    inode: int


def file_at(path: Path) -> FileId | None:
    """What tells a file from another one that takes its place; None if there is none."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - before every use of the log: Path.stat takes twice as long
    except OSError:
        return None
    return FileId(stat.st_dev, stat.st_ino)


class Header(NamedTuple):
    """The header of the file itself, whatever its write-ahead log holds: how it is written (2, 2: with such a log), whose it is (0: not
    written yet), how often it was written, and how often its schema changed or its pages were moved by VACUUM.
    """

    versions: bytes = b""
    owner: int = 0
    writes: int = 0
    schema_cookie: int = 0

    @classmethod
    def of(cls, content: bytes) -> "Header":
        numbers = (
            int.from_bytes(content[start : start + 4])
            for start in (_APPLICATION_ID, _USER_VERSION, _SCHEMA_COOKIE)
        )
        return cls(content[_VERSIONS : _VERSIONS + 2], *numbers)

    def may_become(self, later: "Header") -> bool:
        """Whether one and the same log can have gone on from this to the other."""
        return (
            later.versions in {self.versions, _WITH_LOG}
            and self.owner in {0, later.owner}
            and (later.writes - self.writes) % COUNTS < COUNTS // 2
            and (later.schema_cookie - self.schema_cookie) % _COOKIES < _COOKIES // 2
        )


@dataclass
class GuardedFile:
    """A file of which this process has connections. There is one of each file: see `open_file`."""

    path: Path
    id: FileId
    descriptor: int
    users: int = 0
    #: What its header was when it was intact last.
    _known: bytes = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    #: Size and time of the last change, when it was found to be overwritten; and when (monotonic) that was.
    _overwritten: tuple[tuple[int, int], float] | None = None

    def __post_init__(self) -> None:
        self._known = self._read()

    def is_intact(self) -> bool:
        """Whether it holds what its log has written."""
        if self._overwritten is None and self._read() == self._known:
            return True
        with self._lock:
            content = self._read()
            while content != (again := self._read()):  # it is being written
                content = again
            if not Header.of(self._known).may_become(Header.of(content)):
                return False
            self._known, self._overwritten = content, None
        return True

    def rehouse(self) -> None:
        """It was overwritten: move what is there into a file of its own, so that all processes open that.

        The write-ahead log goes: it belongs to what is overwritten. Raises Overwritten as long as somebody writes.
        """
        state, now, known = self._state(), time.monotonic(), self._overwritten
        if known is None or known[0] != state:
            known = self._overwritten = state, now
        if now - known[1] < QUIET_SECONDS:
            raise self._is_being_overwritten()
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if file_at(self.path) == self.id and not self.is_intact():  # no other process has done it
                self._move(state)
        finally:
            os.close(folder)

    def _move(self, state: tuple[int, int]) -> None:
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            shutil.copyfile(self.path, new)
            new.chmod(0o600)
            _sync(new)
            if self._state() != state:
                raise self._is_being_overwritten()
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            new.rename(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise Overwritten(
                f"The event log at {self.path} was overwritten, and cannot be opened anew: {error}."
            ) from error
        finally:
            new.unlink(missing_ok=True)
        log.critical(
            "%s was overwritten while it was in use. What it holds now is taken for the log.", self.path
        )

    def _state(self) -> tuple[int, int]:
        stat = os.fstat(self.descriptor)
        return stat.st_size, stat.st_mtime_ns

    def _is_being_overwritten(self) -> Overwritten:
        return Overwritten(f"The event log at {self.path} is being overwritten. Send this again.")

    def _read(self) -> bytes:
        return os.pread(self.descriptor, _HEADER, 0)


#: By its id. To close a descriptor of a file loses the process all its locks on it (POSIX), SQLite's as well: it is closed
#: after the last connection.
_files: dict[FileId, GuardedFile] = {}
_lock = threading.Lock()


def open_file(path: Path) -> GuardedFile:
    """Of the file at a path, which must be there. `close_file` once for each time."""
    with _lock:
        id_ = file_at(path)
        file = _files.get(id_) if id_ else None
        if file is None:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stat = os.fstat(descriptor)
            file = GuardedFile(path, FileId(stat.st_dev, stat.st_ino), descriptor)
            file = _files.setdefault(file.id, file)
        file.users += 1
        return file


def close_file(file: GuardedFile) -> None:
    with _lock:
        file.users -= 1
        if not file.users:
            del _files[file.id]
            os.close(file.descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
