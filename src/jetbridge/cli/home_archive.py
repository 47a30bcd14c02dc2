"""Archives of a home: one gzipped tar file with everything, and a manifest that says what it must hold.

`state.db` is copied before `eventlog.db`: a log that is newer than the state is read on from the state's positions, while
one that is older would lack messages that were acknowledged. So are Engage's files; one that is damaged is left out, because the
worker makes it anew. The secret key goes in, because keys in `state.db` are
encrypted with it: without it a restored home could call nobody.

An operator with a damaged home needs a copy before any repair. So a log that was replaced, removed or damaged is copied as it is.
The manifest lists what does not fit, and a restored home must not fit in exactly these points.
"""

import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from jetbridge import __version__
from jetbridge.config import STATE
from jetbridge.db.sqlite import is_damage, quick_check
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import Record, is_same_record, mark
from jetbridge.eventlog.sqlite import AT, END, IDENTITY

FORMAT = 1
LOG, KEY, MANIFEST = "eventlog.db", "secret.key", "manifest.json"
#: Stores of Engage, one for each workspace.
_ENGAGE = re.compile(r"engage-\d{1,18}\.db")
#: Codes of `log_reader`, which needs Django: of readers whose position means nothing in the log.
REPLACED, BEHIND = "LOG_REPLACED", "LOG_BEHIND"
_PAGES = 2_048
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 1 << 20


#: Called with what is being done, how many bytes of it are done, and how many there are; 0: not known.
Progress = Callable[[str, int, int], object]


class Manifest(NamedTuple):
    """`files` are sizes in bytes and SHA-256 digests by name; `key_check` tells whether a secret key is the right one.

    `unfit` has a code for each reader whose position means nothing in the event log. Without any, and with a log that is
    there and not `damaged`, the archive is healthy.
    """

    format: int
    version: str
    made_at: str
    log: str
    end: int
    key_check: str
    files: dict[str, tuple[int, str]]
    unfit: dict[str, str] = {}
    damaged: bool = False
    #: Stores of Engage that could not be copied.
    left_out: list[str] = []

    @property
    def remarks(self) -> list[str]:
        """What is wrong with the event log, and with whom it does not fit."""
        unfit = ", ".join(f"{reader} ({code})" for reader, code in sorted(self.unfit.items()))
        return [
            *(["There is no event log in it, because there was none."] if LOG not in self.files else []),
            *(["Its event log is damaged (LOG_DAMAGED)."] if self.damaged else []),
            *(
                [
                    f"{', '.join(self.left_out)} is damaged and not in it: what Engage computes is made anew from the event log."
                ]
                if self.left_out
                else []
            ),
            *([f"The event log is not the one in which these readers stood: {unfit}."] if unfit else []),
        ]


class _Fit(NamedTuple):
    """How a log and a state go together: the log's identity and end; see `Manifest` for the others."""

    log: str
    end: int
    unfit: dict[str, str]
    damaged: bool


def write(home: Path, secret_key: str, to: Path, progress: Progress) -> Manifest:
    """Copy a home, which may be at work, verify the copy, and put it into a new file that its owner alone can read.

    The event log is copied whatever it is. Raises ConfigurationError if the state is damaged or not there.
    """
    with tempfile.TemporaryDirectory(prefix=".jetbridge-backup-", dir=to.parent) as name:
        folder = Path(name)
        _copy(home / STATE, folder / STATE, progress)
        left_out = []
        for store in engage_stores(home):
            try:
                _copy(home / store, folder / store, progress)
                is_whole = not check(folder / store, progress)
            except sqlite3.DatabaseError:
                is_whole = False
            if not is_whole:
                (folder / store).unlink()
                left_out.append(store)
        if (home / LOG).exists():
            try:
                _copy(home / LOG, folder / LOG, progress)
            except sqlite3.DatabaseError:  # SQLite cannot even open it: byte by byte
                shutil.copyfile(home / LOG, folder / LOG)
        if (home / KEY).exists() and (home / KEY).read_text().strip() == secret_key:
            (folder / KEY).write_text(secret_key)
        fit = _fit(folder, progress)
        files = {}
        parts = [folder / name for name in (KEY, STATE, *engage_stores(folder), LOG)]
        for path in filter(Path.exists, parts):
            with path.open("rb") as file:
                files[path.name] = _digest(file, path.stat().st_size)
        manifest = Manifest(
            FORMAT,
            __version__,
            datetime.now(UTC).isoformat(timespec="seconds"),
            fit.log,
            fit.end,
            key_check(secret_key),
            files,
            fit.unfit,
            fit.damaged,
            left_out,
        )
        _pack(folder, manifest, to, progress)
    with _opened(to) as tar:
        _manifest_of(tar, to)
        while member := tar.next():
            progress(f"reading back {member.name}", 0, member.size)
            if _digest(_content(tar, member), member.size) != manifest.files[member.name]:
                raise ConfigurationError(
                    f"{to} cannot be read back: {member.name} differs. Is the disk sound?"
                )
    return manifest


def read(archive: Path, folder: Path, progress: Progress) -> Manifest:
    """Unpack an archive into a folder and verify it: all that its manifest says is so, and nothing else is wrong.

    Raises ConfigurationError for one that is damaged.
    """
    with _opened(archive) as tar:
        manifest = _manifest_of(tar, archive)
        while member := tar.next():
            expected = manifest.files.get(member.name)
            if expected is None or not member.isfile():
                raise ConfigurationError(
                    f"{archive} holds {member.name!r}, which no backup of Jetbridge does."
                )
            progress(f"unpacking {member.name}", 0, expected[0])
            if _digest(_content(tar, member), expected[0], folder / member.name) != expected:
                raise ConfigurationError(
                    f"{archive} is damaged: {member.name} is not what its manifest says."
                )
            progress(f"unpacking {member.name}", expected[0], expected[0])
    if missing := [name for name in manifest.files if not (folder / name).exists()]:
        raise ConfigurationError(f"{archive} is damaged: {', '.join(missing)} is missing.")
    fit = _fit(folder, progress)
    if fit.damaged and not manifest.damaged:
        raise ConfigurationError(f"{archive} is damaged: {LOG} is, and its manifest does not say so.")
    if unsaid := fit.unfit.items() - manifest.unfit.items():
        reader, code = min(unsaid)
        raise ConfigurationError(
            f"{archive} is damaged: its event log is not that of {reader} ({code}), and its manifest does not say so."
        )
    return manifest


def engage_stores(folder: Path) -> list[str]:
    """The names of the stores of Engage in a home."""
    return sorted(path.name for path in folder.glob("engage-*.db") if _ENGAGE.fullmatch(path.name))


def check_key(folder: Path, manifest: Manifest) -> None:
    """Raises ConfigurationError unless the secret key of this process, or the unpacked one, is that of the backup."""
    given = os.environ.get("JETBRIDGE_SECRET_KEY", "")
    stored = folder / KEY
    key = given or (stored.read_text().strip() if stored.exists() else "")
    if key_check(key) != manifest.key_check:
        raise ConfigurationError(
            "The secret key is another one than that of the backup, so no key in it could be decrypted. "
            + ("Unset JETBRIDGE_SECRET_KEY, or set" if given else "Set JETBRIDGE_SECRET_KEY to")
            + " the key with which the backup was made."
        )


def key_check(secret_key: str) -> str:
    """Tells whether a key is the same, and nothing else of it."""
    return hmac.new(secret_key.encode(), b"jetbridge backup", hashlib.sha256).hexdigest()[:32]


def _fit(folder: Path, progress: Progress) -> _Fit:
    """Look through both databases, and where each reader of the state stands in the log. Raises ConfigurationError for a
    state that is damaged.
    """
    if problems := check(folder / STATE, progress):
        raise ConfigurationError(f"{STATE} is damaged: {problems[0]}. See docs/operating.md, Damaged files.")
    with closing(sqlite3.connect(folder / STATE)) as state:
        rows = state.execute(
            "SELECT consumer, position, log, mark FROM delivery_consumeroffset WHERE position > 0"
        ).fetchall()
    if not (folder / LOG).exists():
        return _Fit("", 0, {reader: REPLACED for reader, *_ in rows}, damaged=False)
    damaged = bool(check(folder / LOG, progress))
    with closing(sqlite3.connect(folder / LOG)) as log:
        try:
            (identity,), (end,) = log.execute(IDENTITY).fetchone(), log.execute(END).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return _Fit("", 0, {}, damaged=True)
        unfit = {}
        for reader, position, log_identity, record_mark in rows:  # as `log_reader.problem` has it
            if log_identity and log_identity != identity:
                unfit[reader] = REPLACED
            elif position > end:
                unfit[reader] = BEHIND
            elif record_mark:
                with suppress(sqlite3.DatabaseError):  # it is damaged there
                    row = log.execute(AT, (position,)).fetchone()
                    if row and not is_same_record(mark(Record._make(row)), record_mark):
                        unfit[reader] = REPLACED
    return _Fit(identity, end, unfit, damaged)


def check(path: Path, progress: Progress) -> list[str]:
    """What is wrong with a database file; reads all of it."""
    return quick_check(path, lambda: progress(f"checking {path.name}", 0, 0))


def _copy(source: Path, to: Path, progress: Progress) -> None:
    """As it is at one moment, while others write: an open read transaction keeps it. Raises sqlite3.DatabaseError for a damaged
    one, ConfigurationError for every other failure.
    """
    to.touch(mode=0o600)

    def done(_: int, remaining: int, total: int) -> None:
        progress(f"copying {source.name}", (total - remaining) * page_size, total * page_size)

    try:
        with (
            closing(sqlite3.connect(source, isolation_level=None, timeout=30)) as at,
            closing(sqlite3.connect(to, isolation_level=None)) as copy,
        ):
            (page_size,) = at.execute("PRAGMA page_size").fetchone()
            at.execute("BEGIN")
            at.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            at.backup(copy, pages=_PAGES, progress=done)
            copy.execute("PRAGMA journal_mode = DELETE")  # nothing of it is in a file beside it
    except sqlite3.DatabaseError as error:
        if source.name != STATE and is_damage(error):
            raise
        raise ConfigurationError(f"{source} cannot be copied: {error}.") from error


def _pack(folder: Path, manifest: Manifest, to: Path, progress: Progress) -> None:
    def only_content(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
        return member

    part = folder / "archive"
    total = sum(size for size, _ in manifest.files.values())
    done = 0
    with part.open("xb") as file:
        part.chmod(0o600)
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            (folder / MANIFEST).write_text(json.dumps(manifest._asdict()))
            for name in (MANIFEST, *manifest.files):
                progress("packing", done, total)
                tar.add(folder / name, name, filter=only_content)
                done += manifest.files.get(name, (0, ""))[0]
        file.flush()
        os.fsync(file.fileno())
    part.rename(to)


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            yield tar
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ConfigurationError(f"{archive} cannot be read as a backup of Jetbridge: {error}.") from error


def _manifest_of(tar: tarfile.TarFile, archive: Path) -> Manifest:
    member = tar.next()
    if member is None or member.name != MANIFEST or member.size > _LARGEST_MANIFEST:
        raise ConfigurationError(f"{archive} is no backup of Jetbridge: it does not begin with a manifest.")
    try:
        fields: dict[str, Any] = json.loads(_content(tar, member).read())
        files = {name: (int(size), str(digest)) for name, (size, digest) in fields.pop("files").items()}
        manifest = Manifest(**fields, files=files)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{archive} is damaged: its manifest cannot be read ({error}).") from error
    others = {name for name in files if not _ENGAGE.fullmatch(name)}
    if manifest.format != FORMAT or not {STATE} <= others <= {KEY, STATE, LOG}:
        raise ConfigurationError(
            f"{archive} was made by Jetbridge {manifest.version}, in a format that this version ({__version__}) cannot read."
        )
    return manifest


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None  # it is a plain file
    return content


def _digest(content: IO[bytes], limit: int, to: Path | None = None) -> tuple[int, str]:
    """Size and digest of what is read, which is copied `to` a new file; no more than `limit` bytes, and one to see that
    there are more.
    """
    size, digest = 0, hashlib.sha256()
    with open(to or os.devnull, "xb" if to else "wb") as file:  # noqa: PTH123 - it may be nowhere
        if to:
            to.chmod(0o600)
        while chunk := content.read(min(_CHUNK, limit + 1 - size)):
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
        if to:
            file.flush()
            os.fsync(file.fileno())
    return size, digest.hexdigest()
