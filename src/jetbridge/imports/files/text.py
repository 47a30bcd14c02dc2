"""From the bytes of a file to its lines: unpacked, decoded, bounded.

A byte that the encoding does not know becomes UNDECODABLE, so that it spoils its row and no other.
"""

import codecs
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from jetbridge.errors import JetbridgeError
from jetbridge.imports.files.options import ENCODINGS

#: Characters of one line, or of one row over several lines. A call has 32 KB at the most, so no row needs more.
ROW_CHARACTERS = 1_000_000
#: Stands for a byte that the encoding does not know: half of a surrogate pair, which no text holds.
UNDECODABLE = "\udcff"
#: A file that unpacks to more than so many times its size (beyond FREE_BYTES) is no table of people. CSV
#: unpacks to some ten times its size, gzip's most is 1,032.
MAX_RATIO = 300
FREE_BYTES = 32 * 1024 * 1024
#: However well it is packed: beyond it a file is unpacked by who means it.
MAX_UNPACKED_BYTES = 4 * 1024 * 1024 * 1024

CHUNK = 1024 * 1024
#: Of cells that are not ASCII, so much is looked at to guess the encoding.
SAMPLE_BYTES = 64 * 1024

GZIP_MAGIC = b"\x1f\x8b"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),  # before UTF-16, whose mark is the first half of this one
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
#: What people choose by mistake.
_OTHER_FILES = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive. Save the sheet as “CSV UTF-8” and send that"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook. Save the sheet as “CSV UTF-8” and send that"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3\0", "a SQLite database. Export the table as CSV and send that"),
    (b"PAR1", "a Parquet file. Export it as CSV or NDJSON and send that"),
)


class FileError(JetbridgeError):
    """The file as a whole cannot be read; the sentence names it as “The file”."""


@dataclass(frozen=True)
class Encoding:
    """`codec` is Python's. `is_guess`: other encodings are possible; `example` is a line to judge it by."""

    codec: str
    label: str
    is_guess: bool = False
    example: str = ""


@dataclass(frozen=True)
class Contents:
    """What one look at all bytes tells. `digest` is of the file as it is, packed or not; `size` likewise."""

    encoding: Encoding
    is_packed: bool
    digest: str
    size: int


def _keep(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return UNDECODABLE, error.end


codecs.register_error("jetbridge-undecodable", _keep)


def look_at(path: Path, encoding: str, on_bytes: Callable[[int], object]) -> Contents:
    """Read all bytes once. `encoding` is what a person said, or empty. Raises FileError."""
    digest = hashlib.sha256()
    look = _Look(encoding)
    with opened(path) as (stream, is_packed, raw):
        while chunk := stream.read(CHUNK):
            look.take(chunk)
            on_bytes(raw.tell())
        raw.seek(0)
        while chunk := raw.read(CHUNK):
            digest.update(chunk)
    return Contents(look.encoding(), is_packed, digest.hexdigest(), path.stat().st_size)


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], bool, IO[bytes]]]:
    """The bytes (unpacked if they are gzip), whether they were packed, and the file, to see how far it is."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise FileError(f"{path.name} cannot be read: {error.strerror}.") from error
    with raw:
        head = raw.read(16)
        raw.seek(0)
        for magic, what in _OTHER_FILES:
            if head.startswith(magic):
                raise FileError(f"{path.name} is {what}.")
        if not head.startswith(GZIP_MAGIC):
            yield raw, False, raw
            return
        with gzip.GzipFile(fileobj=raw) as packed:
            yield io.BufferedReader(_Unpacked(packed, raw)), True, raw


class _Unpacked(io.RawIOBase):
    """A gzip file that says in a sentence what is wrong with it, and that is no bomb."""

    def __init__(self, packed: gzip.GzipFile, raw: IO[bytes]) -> None:
        self._packed, self._raw = packed, raw
        self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._packed.read(min(len(buffer), 128 * 1024))
        except (OSError, EOFError, zlib.error) as error:
            raise FileError(f"The gzip file is damaged or cut off: {error}. Pack it again.") from error
        self._total += len(data)
        if self._total > FREE_BYTES and self._total > MAX_RATIO * self._raw.tell():
            raise FileError(
                f"The gzip file unpacks to more than {MAX_RATIO} times its size, which no table of people does. "
                "Unpack it yourself if it is what you mean."
            )
        if self._total > MAX_UNPACKED_BYTES:
            raise FileError("The gzip file unpacks to more than 4 GB. Unpack it, and send it in parts.")
        buffer[: len(data)] = data
        return len(data)


class _Look:
    """Finds the encoding while all bytes go past."""

    def __init__(self, chosen: str) -> None:
        self._chosen = chosen
        self._codec = ""
        self._label = ""
        self._is_first = True
        self._utf8 = codecs.getincrementaldecoder("utf-8")("jetbridge-undecodable")
        self._good = self._bad = 0
        self._sample = bytearray()
        self._example = b""

    def take(self, chunk: bytes) -> None:
        if self._is_first:
            self._is_first = False
            self._begin(chunk)
        text = self._utf8.decode(chunk)
        if text.isascii():
            return
        bad = text.count(UNDECODABLE)
        self._bad += bad
        self._good += len(text) - len(text.encode("ascii", "ignore")) - bad
        self._collect(chunk)

    def _begin(self, chunk: bytes) -> None:
        for mark, codec, name in _BOMS:
            if chunk.startswith(mark):
                self._codec, self._label = codec, f"{ENCODINGS[name]}, by its byte order mark"
                return
        head = chunk[:4096]
        even, odd = head[::2].count(0), head[1::2].count(0)
        if even + odd == 0:
            return
        # Text of Latin letters in UTF-16 has a zero in every other place.
        if odd > len(head) / 8 and even < odd / 8:
            self._codec, self._label = "utf-16-le", ENCODINGS["utf-16-le"]
        elif even > len(head) / 8 and odd < even / 8:
            self._codec, self._label = "utf-16-be", ENCODINGS["utf-16-be"]
        elif not self._chosen:
            raise FileError("The file is no text: it holds zero bytes. Save it as CSV or NDJSON.")

    def _collect(self, chunk: bytes) -> None:
        """Cells that are not ASCII: the others say nothing of the encoding."""
        if len(self._sample) >= SAMPLE_BYTES:
            return
        for line in chunk[: 16 * SAMPLE_BYTES].splitlines():
            if line.isascii():
                continue
            self._example = self._example or line[:200]
            for cell in re.split(rb"[,;\t|\"]", line):
                if not cell.isascii():
                    self._sample += cell[: SAMPLE_BYTES - len(self._sample)] + b"\n"

    def encoding(self) -> Encoding:
        self._bad += self._utf8.decode(b"", final=True).count(UNDECODABLE)
        if self._chosen:
            return Encoding(self._chosen_codec(), f"{ENCODINGS.get(self._chosen, self._chosen)}, as you say")
        if self._codec:
            return Encoding(self._codec, self._label)
        # One bad byte among many good letters spoils its row; it does not make the file another one.
        if self._bad * 10 <= self._good or not self._bad:
            label = "UTF-8" if self._good else "ASCII, which is UTF-8"
            return Encoding("utf-8", label)
        codec = _guess(bytes(self._sample))
        example = self._example.decode(codec, "replace").strip()
        return Encoding(codec, ENCODINGS[codec], is_guess=True, example=example)

    def _chosen_codec(self) -> str:
        name = codecs.lookup(self._chosen).name
        if name == "utf-8":
            return "utf-8-sig"  # reads files with and without a mark
        if name in {"utf-16", "utf-32"} and self._codec != name:  # without a mark
            return f"{name}-be" if self._codec == "utf-16-be" else f"{name}-le"
        return self._chosen


def _guess(sample: bytes) -> str:
    """Which of the encodings before UTF-8 a text has, judged by its cells that are not ASCII.

    charset-normalizer looks for letters that make a language. A few letters make none: then it is what
    spreadsheets of most of our users write, Windows-1252, if the bytes are letters there.
    """
    from charset_normalizer import from_bytes  # noqa: PLC0415 - takes its time, and few files need it

    western = "cp1252"
    try:
        sample.decode(western)
        is_western = True
    except UnicodeDecodeError:
        is_western = False
    few = sum(byte > 127 for byte in sample) < 12
    known = [name for name in ENCODINGS if not name.startswith("utf")]
    matches = list(from_bytes(sample, cp_isolation=known))
    if not matches or (few and is_western and not matches[0].coherence):
        return western
    best = (matches[0].chaos, matches[0].coherence)
    equal = {
        name.replace("_", "")
        for match in matches
        if (match.chaos, match.coherence) == best
        for name in match.could_be_from_charset
    }
    return next(name for name in known if re.sub("[_-]", "", name) in equal)


#: A reader says that it gets on after so many lines or thousands of characters.
TICK_LINES = 1_000


class Lines:
    """Lines of a text with their ends, split at LF, CRLF and lone CR, and numbered from 1.

    A line of more than ROW_CHARACTERS comes cut off, and is longer than that by one. `tick` is called again and again,
    whatever the lines are.
    """

    def __init__(self, stream: io.TextIOWrapper, tick: Callable[[], object]) -> None:
        self._stream = stream
        self._tick = tick
        self._left = TICK_LINES
        self.number = 0

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._read()
        if not line:
            raise StopIteration
        self.number += 1
        rest = line
        while len(rest) > ROW_CHARACTERS and not rest.endswith(("\n", "\r")):
            rest = self._read()
        return line

    def _read(self) -> str:
        part = self._stream.readline(ROW_CHARACTERS + 1)
        self._left -= 1 + len(part) // 1_000
        if self._left < 0:
            self._left = TICK_LINES
            self._tick()
        return part


@contextmanager
def text_of(path: Path, codec: str) -> Iterator[tuple[io.TextIOWrapper, IO[bytes]]]:
    """The decoded text, its line ends as they are, and the file, to see how far it is. Raises FileError."""
    with opened(path) as (stream, _, raw):
        text = io.TextIOWrapper(stream, codec, "jetbridge-undecodable", newline="")
        try:
            yield text, raw
        finally:
            text.detach()
