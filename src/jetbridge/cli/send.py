"""`jetbridge send FILE`: identify calls from a file to any Tracking API, ours or Segment's."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from jetbridge.cli.batch_sender import INVALID_AUTHENTICATION, INVALID_URL, BatchSender, batches
from jetbridge.cli.send_page import page, summary
from jetbridge.cli.send_position import Position
from jetbridge.config import own_url
from jetbridge.errors import ConfigurationError, DeliveryError, JetbridgeError
from jetbridge.http.addresses import read_address
from jetbridge.imports.files.calls import Row
from jetbridge.imports.files.options import FORMATS, Options
from jetbridge.imports.files.rejected import RejectedRows, name_for
from jetbridge.imports.files.scan import SHOWN_ROWS, Check, Scan, check, scan
from jetbridge.integrations.command_parts import examples, read_secret, secret_option
from jetbridge.terminal import Terminal
from jetbridge.text import echo, pluralize

DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "\\t": "\t"}


@click.command(
    epilog=examples(
        "jetbridge send people.csv --dry-run", "jetbridge send people.csv --write-key-file write-key"
    )
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@secret_option("write-key", "JETBRIDGE_SEND_WRITE_KEY", "Write key of the source.")
@click.option("--url", help="Tracking API; else the Jetbridge of this machine.")
@click.option(
    "--dry-run", is_flag=True, help="Send nothing: show how the file is read and what would be sent."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: what was sent, or what --dry-run finds."
)
@click.option("--format", "form", type=click.Choice(["auto", *FORMATS, "tsv"]), default="auto")
@click.option("--encoding", default="", help="Encoding of the file, such as utf-8 or cp1252; else detected.")
@click.option("--delimiter", default="", help="What separates cells: a character, or `tab`; else detected.")
@click.option("--user-id-column", default="", help="Column of the userId; else userId, user_id, “User ID” …")
@click.option("--email-column", default="", help="Column of the email address; else email, “E-Mail” …")
@click.option("--text", multiple=True, metavar="COLUMN", help="CSV column that is never read as a number.")
@click.option(
    "--rejected",
    "rejected_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where rejected rows go; else beside FILE.",
)
def send(
    *,
    file: str,
    write_key: str,
    write_key_file: Path | None,
    url: str | None,
    dry_run: bool,
    as_json: bool,
    form: str,
    encoding: str,
    delimiter: str,
    user_id_column: str,
    email_column: str,
    text: tuple[str, ...],
    rejected_file: Path | None,
) -> None:
    """Send identify calls from FILE, and say what cannot be sent. Interrupted, it goes on where it was.

    FILE is CSV with a header, TSV, a JSON array or NDJSON, or any of these as .gz; - is stdin.
    """
    console = Terminal(stderr=True, highlight=False, markup=False)
    delimiter = DELIMITER_NAMES.get(delimiter, delimiter)
    if form == "tsv":
        form, delimiter = "csv", delimiter or "\t"
    options = Options(encoding, "" if form == "auto" else form, delimiter, user_id_column, email_column, text)
    with ExitStack() as stack:
        path = Path(file)
        if file == "-":  # what comes from stdin is read twice
            copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="jetbridge-send-"))
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            path = Path(copy.name)
        with _progress(console, path, "Reading") as on_bytes:
            scanned = scan(path, options, name="stdin" if file == "-" else path.name, on_bytes=on_bytes)
        if dry_run:
            with _progress(console, path, "Checking") as on_bytes:
                checked = check(scanned, on_bytes)
            if as_json:
                echo(json.dumps(scanned.as_object() | checked.as_object()))
            else:
                Terminal(highlight=False, markup=False).print_page(page(scanned, checked))
            sys.exit(1 if checked.rejected else 0)
        sender = BatchSender(
            read_address(url or own_url()), read_secret(write_key, write_key_file, "write key"), console.print
        )
        rejected = rejected_file or (Path() if file == "-" else path.parent) / name_for(
            scanned.name, scanned.format
        )
        if rejected.exists() and path.exists() and rejected.samefile(path):
            raise ConfigurationError(f"{rejected} is the file that is sent: say another with --rejected.")
        read_as = [scanned.unit, scanned.options.as_object()]
        identity = json.dumps([sender.url, sender.write_key, scanned.contents.digest, *read_as])
        position = None if file == "-" else Position(path, identity)
        job = _Job(file, scanned, sender, position, rejected, console)
        try:
            job.run()
        except OSError as error:
            raise JetbridgeError(
                f"{error.filename or rejected} cannot be written: {error.strerror}. Where rejected rows go is said with "
                "--rejected; how far it is stands beside the file, so copy the file to where you may write."
            ) from error
    if as_json:
        fields = {"url": sender.url, "accepted": job.accepted, "rejected": job.check.rejected}
        echo(json.dumps({**fields, "rejected_file": str(rejected) if job.check.rejected else None}))
    else:
        echo(
            f"{pluralize(job.accepted, 'identify call was', 'identify calls were')} accepted by {sender.url}."
        )
    if job.check.rejected:
        raise click.ClickException(
            f"{pluralize(job.check.rejected, 'row')} of {file} cannot be sent; see {rejected}, with the reasons: "
            "correct them there and send that file."
        )


@dataclass
class _Job:
    """Sends the rows. All are read again when it goes on, so that every rejected one is in the file of these."""

    file: str
    scan: Scan
    sender: BatchSender
    position: Position | None
    rejected: Path
    console: Terminal
    accepted: int = 0

    def run(self) -> None:
        self.check = Check()
        after = self.position.load() if self.position else 0
        if self.position:
            self.position.store(after)  # where it cannot be written nothing is sent
        self.console.print(f"{self.file}: {summary(self.scan)}.")
        if after:
            self.console.print(f"{self.file}: going on after {self.scan.unit} {after}.")
        with (
            _progress(self.console, self.scan.path, "Sending") as on_bytes,
            RejectedRows(self.rejected, self.scan) as rejected,
        ):
            rows = (row for row in self._good(self.scan.rows(on_bytes), rejected) if row.place.number > after)
            for batch in batches(rows):
                try:
                    self.sender.send(batch)
                except DeliveryError as error:
                    again = (
                        "Then run the command again."
                        if error.code in {INVALID_AUTHENTICATION, INVALID_URL}
                        else "Run the same command again to go on from there."
                    )
                    first, last = batch[0].place.number, batch[-1].place.number
                    places = (
                        f"{batch[0].place} was"
                        if first == last
                        else f"{self.scan.unit}s {first} to {last} were"
                    )
                    raise JetbridgeError(f"{self.file} {places} not accepted. {error} {again}") from error
                self.accepted += len(batch)
                if self.position:
                    self.position.store(batch[-1].place.number)
        for number, what in ((self.check.rejected, "rejected"), (self.check.warned, "with a warning")):
            if number > SHOWN_ROWS:
                self.console.print(f"{self.file}: {number - SHOWN_ROWS:,} more {what}.")
        if self.position:
            self.position.clear()

    def _good(self, rows: Iterator[Row], rejected: RejectedRows) -> Iterator[Row]:
        for row in rows:
            self.check.see(row)
            if row.call is None:
                rejected.add(row)
                if self.check.rejected <= SHOWN_ROWS:
                    self.console.print(f"{self.file} {row.place} {row.reason}.")
                continue
            if row.warning and self.check.warned <= SHOWN_ROWS:
                self.console.print(f"{self.file} {row.place} {row.warning}.")
            yield row


@contextmanager
def _progress(console: Terminal, path: Path, what: str) -> Iterator[Callable[[int], None]]:
    """A bar at a terminal, of the bytes that were read."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=path.stat().st_size)
        yield lambda done: progress.update(task, completed=done)
