"""What `jetbridge send` prints about a file: one line before it sends, a page for `--dry-run`."""

import json

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jetbridge.imports.files.scan import Check, Scan
from jetbridge.text import pluralize, printable


def summary(scan: Scan) -> str:
    about = scan.as_object()
    cells = f", cells separated by {about['delimiter']}" if scan.format == "csv" else ""
    packed = ", packed with gzip" if about["compressed"] else ""
    return f"{about['format']}{cells}, {about['encoding']}{packed}; {pluralize(scan.records, 'row')}"


def page(scan: Scan, check: Check) -> Group:
    parts: list[RenderableType] = [Text(f"{scan.name}: {summary(scan)}.", style="bold")]
    encoding = scan.contents.encoding
    if encoding.is_guess:
        parts.append(
            Text(
                f"The encoding is a guess. If this reads wrong, say it with --encoding: {printable(encoding.example)}"
            )
        )
    table = Table(box=SIMPLE_HEAD)
    for heading in ("Column", "Goes to", "Type", "Filled", "Example"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "Filled" else "left")
    for column in scan.columns:
        about = column.as_object()
        table.add_row(
            Text(printable(about["name"])),
            Text(printable(about["goes_to"]) or "left out"),
            Text(about["type"]),
            Text(f"{column.filled:,}"),
            Text(printable(about["example"])),
        )
    parts += [table, Text("The first rows as they would be sent:")]
    parts += [Text(f"  {printable(json.dumps(call, ensure_ascii=False))}") for call in check.calls]
    for title, count, rows in (
        ("would be rejected", check.rejected, check.faults),
        ("would be sent with a warning", check.warned, check.warnings),
    ):
        if count:
            parts.append(Text(f"\n{pluralize(count, 'row')} {title}:"))
            parts += [Text(f"  {place} {message}") for place, message in rows]
            if count > len(rows):
                parts.append(Text(f"  and {count - len(rows):,} more"))
    parts.append(
        Text(f"\n{pluralize(check.accepted, 'identify call')} would be sent. Nothing was.", style="bold")
    )
    return Group(*parts)
