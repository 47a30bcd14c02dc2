"""`jetbridge send FILE`: identify calls from a file to any Tracking API, ours or Segment's."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from jetbridge.cli import identify_rows
from jetbridge.cli.batch_sender import BatchSender, batches
from jetbridge.cli.identify_rows import Columns, Row
from jetbridge.cli.secret_option import secret, secret_option
from jetbridge.cli.send_position import Position
from jetbridge.errors import DeliveryError, JetbridgeError

#: Rows that cannot be sent are shown one by one up to here, then only counted.
SHOWN_ROWS = 20


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@secret_option("write-key", "JETBRIDGE_SEND_WRITE_KEY", "Write key of the source.")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Tracking API.")
@click.option("--format", "form", type=click.Choice(["auto", "ndjson", "csv", "tsv"]), default="auto")
@click.option("--user-id-column", help="Column of the userId; else userId or user_id.")
@click.option("--email-column", default="email", show_default=True, help="Column of the email address.")
@click.option("--text", multiple=True, metavar="COLUMN", help="CSV column that is never read as a number.")
def send(
    *,
    file: str,
    write_key: str,
    write_key_file: Path | None,
    url: str,
    form: str,
    user_id_column: str | None,
    email_column: str,
    text: tuple[str, ...],
) -> None:
    """Send identify calls from FILE (NDJSON or CSV; - is stdin). Interrupted, it goes on where it was."""
    console = Console(stderr=True, highlight=False, markup=False)
    sender = BatchSender(url.rstrip("/"), secret(write_key, write_key_file, "write key"), console.print)
    columns = Columns(user_id_column, email_column, frozenset(text))
    position = None if file == "-" else Position(Path(file), sender.url)
    with sys.stdin.buffer if position is None else position.file.open("rb") as stream:
        job = _Job(file, _Lines(stream), sender, position, console)
        job.run(form, columns)
    click.echo(f"{job.accepted:,} identify calls were accepted by {sender.url}.")
    if job.wrong:
        raise click.ClickException(f"{job.wrong:,} rows of {file} were not sent; see above.")


class _Lines:
    """Lines of a binary file, counting the bytes that were read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.bytes_read = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            self.bytes_read += len(line)
            yield line


@dataclass
class _Job:
    file: str
    lines: _Lines
    sender: BatchSender
    position: Position | None
    console: Console
    accepted: int = 0
    wrong: int = 0

    def run(self, form: str, columns: Columns) -> None:
        after = self.position.load() if self.position else 0
        if after:
            self.console.print(f"{self.file}: going on after line {after}.")
        rows = (row for row in _rows(form, self.file, self.lines, columns) if row.line > after)
        with self._progress() as progress:
            total = self.position.file.stat().st_size if self.position else None
            task = progress.add_task("", total=total)
            for batch in batches(self._sound(rows)):
                self._send(batch)
                progress.update(task, completed=self.lines.bytes_read, description=f"{self.accepted:,} calls")
        if self.position:
            self.position.clear()

    def _sound(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if row.call:
                yield row
                continue
            self.wrong += 1
            if self.wrong <= SHOWN_ROWS:
                self.console.print(f"{self.file} line {row.line} {row.wrong}.")

    def _send(self, batch: list[Row]) -> None:
        try:
            self.sender.send(batch)
        except DeliveryError as error:
            raise JetbridgeError(
                f"{self.file} lines {batch[0].line} to {batch[-1].line} were not accepted. {error} "
                "Run the same command again to go on from there."
            ) from error
        self.accepted += len(batch)
        if self.position:
            self.position.store(batch[-1].line)

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        return Progress(*columns, console=self.console, transient=True)


def _rows(form: str, file: str, lines: _Lines, columns: Columns) -> Iterator[Row]:
    if form == "auto":
        form = {".csv": "csv", ".tsv": "tsv"}.get(Path(file).suffix.lower(), "ndjson")
    if form == "ndjson":
        return identify_rows.ndjson(lines, columns)
    return identify_rows.comma_separated(lines, columns, "\t" if form == "tsv" else ",")
