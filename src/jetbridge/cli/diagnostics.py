"""What `jetbridge doctor` looks at, in an order in which causes come before their consequences. Nothing is changed."""

import sqlite3
import tempfile
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings

from jetbridge import eventlog
from jetbridge.cli import account
from jetbridge.cli.home_archive import check, engage_stores
from jetbridge.cli.progress import byte_bar
from jetbridge.config import Config, files_for_others
from jetbridge.control import database, directory
from jetbridge.delivery import isolation
from jetbridge.engage import store
from jetbridge.errors import Backpressure
from jetbridge.integrations import registry
from jetbridge.integrations.base import Finding
from jetbridge.text import pluralize


def everything() -> Iterator[Finding]:
    """All findings. Asks the other sides; blocks."""
    config: Config = settings.CONFIG
    yield from _home(config)
    try:
        with eventlog.open(config) as log:
            end, size = log.counts().end, log.size_bytes()
    except (Backpressure, sqlite3.Error) as error:
        yield Finding("fail", str(error), "Free space on the disk, or correct the rights of the file.")
    else:
        what = f"the event log has taken {pluralize(end, 'record')} and is {size / 1e6:,.0f} MB large"
        if size > 1_000_000 * config.retention_mb * 1.1:
            advice = "A paused or disabled destination keeps what it has not read: see `jetbridge status`."
            yield Finding("warn", f"{what}, more than JETBRIDGE_RETENTION_MB", advice)
        else:
            yield Finding("ok", what)
    try:
        database.migrate()
    except Exception as error:
        if not isolation.is_environmental(error):
            raise
        yield Finding(
            "fail",
            f"{config.state_path} cannot be opened: {error}",
            "Free space on the disk, correct the rights of the file, or end the program that locks it.",
        )
        return  # all that follows is in there
    yield Finding("ok", f"{config.state_path} can be opened, and its tables are up to date")
    yield from _files(config)
    if urlsplit(config.public_url).hostname in {"127.0.0.1", "localhost"}:
        what = f"only this machine reaches {config.public_url}"
        yield Finding("warn", what, "Set JETBRIDGE_PUBLIC_URL to what Mailjet and Segment can reach.")
    else:
        yield Finding("ok", f"Mailjet and Segment reach us at {config.public_url}")
    for integration in registry.integrations():
        yield from integration.checks()
    for ref in directory.load_destinations():
        if destination := registry.destinations().get(ref.kind):
            yield from destination.check(ref)
    yield from _deliveries()


def _home(config: Config) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir=config.home) as file:
            file.write(bytes(65_536))  # a file without content has room on a full disk
            file.flush()
        yield Finding("ok", f"{config.home} can be written")
    except OSError as error:
        yield Finding(
            "fail", f"{config.home} cannot be written: {error.strerror}", "Free space, or its rights."
        )
    if not (config.home / "secret.key").exists():
        yield Finding("ok", "the secret key comes from JETBRIDGE_SECRET_KEY")
    if open_files := files_for_others(config.home):
        for path in open_files:
            yield Finding("fail", f"{path} can be read by others", f"Run `chmod 600 {path}`.")
    else:
        yield Finding("ok", f"the files in {config.home} can be read by their owner only")


def _files(config: Config) -> Iterator[Finding]:
    """Whether the databases are whole. Reads all of them."""
    stores = [config.home / name for name in engage_stores(config.home)]
    for path in (config.state_path, config.log_path, *stores):
        if not path.exists():
            continue
        with byte_bar() as progress:
            problems = check(path, progress)
        if problems:
            advice = "Stop Jetbridge and restore a backup: `jetbridge admin restore FILE --force`."
            if path == config.log_path:
                advice = "Stop Jetbridge and run `jetbridge admin recover-log`: it saves what can be read and counts what is lost."
            elif path in stores:
                store.suspect(path).touch()
                advice = (
                    "The worker makes it anew from the event log within a minute, if it runs. To keep what is older than the log, stop "
                    "Jetbridge and restore a backup: `jetbridge admin restore FILE --force`."
                )
            yield Finding("fail", f"{path} is damaged: {problems[0]}", advice)
        else:
            yield Finding("ok", f"{path.name} is whole")


def _deliveries() -> Iterator[Finding]:
    figures = account.read()
    if not any(light.thing == "worker" for light in figures.health.lights):
        yield Finding("ok", "a worker is running and gives signs of life")
    for light in figures.health.lights:
        yield Finding(light.state, light.message, light.fix)
    for row in figures.destinations:
        for warning in figures.warnings.get(row.id, []):
            yield Finding("warn", f"{row.name}: {warning}")
        if row.balanced:
            yield Finding("ok", f"{row.name} accounts for all messages ({row.received:,})")
