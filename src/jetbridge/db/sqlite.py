"""SQLite: how a connection of a writer is set up, and what is wrong with a file."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

#: Of the connections that write the state and the stores of Engage: readers are not stopped by a writer, and a commit is on the
#: disk. 32 MB of pages are kept in memory.
WRITER_PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32000;"

#: Steps of SQLite's virtual machine between two calls of `tick`.
_INSTRUCTIONS = 100_000


def is_damage(error: Exception) -> bool:
    """Whether it says that the file holds something else than it should, so that trying again is of no use."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, TypeError) or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def quick_check(path: Path, tick: Callable[[], object], *, most: int = 10) -> list[str]:
    """What SQLite finds wrong with a database file; reads all of it, and calls `tick` again and again meanwhile."""

    def keep_on() -> int:
        tick()
        return 0  # any other number ends the statement

    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.set_progress_handler(keep_on, _INSTRUCTIONS)
            rows = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({most})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if rows == ["ok"] else rows
