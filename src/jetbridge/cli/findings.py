"""What `jetbridge check` looks at, one function per thing; each yields its findings and changes nothing."""

import stat
import tempfile
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from jetbridge.cli import account
from jetbridge.config import Config
from jetbridge.control import home_lock
from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.delivery.report import HELD
from jetbridge.destinations.mailjet.mistyped import mistyped
from jetbridge.errors import Backpressure, DeliveryError, HoldError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.mailjet.client import MailjetClient
from jetbridge.mailjet.events import EVENT_TYPES
from jetbridge.sources.mailjet import callbacks

OK, WARN, FAIL = "ok", "warn", "fail"


class Finding(NamedTuple):
    """`advice` says what to do; empty where all is well."""

    state: str
    what: str
    advice: str = ""


def everything() -> Iterator[Finding]:
    """All findings, in an order in which causes come before their consequences. Calls Mailjet; blocks."""
    config: Config = settings.CONFIG
    yield _home(config)
    yield _secret_key(config)
    yield _event_log(config)
    yield _running(config)
    yield _public_url(config)
    accounts = list(MailjetAccount.objects.order_by("id"))
    if not accounts:
        yield Finding(WARN, "no Mailjet account", "Run `jetbridge setup`.")
    for row in accounts:
        yield from _mailjet_account(config, row)
    yield from _destinations()


def _home(config: Config) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=config.home):
            return Finding(OK, f"{config.home} can be written")
    except OSError as error:
        return Finding(
            FAIL, f"{config.home} cannot be written: {error.strerror}", "Free space, or its rights."
        )


def _secret_key(config: Config) -> Finding:
    path = config.home / "secret.key"
    if not path.exists():
        return Finding(OK, "the secret key comes from JETBRIDGE_SECRET_KEY")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Finding(FAIL, f"{path} can be read by others", f"Run `chmod 600 {path}`.")
    return Finding(OK, f"{path} can be read by its owner only")


def _event_log(config: Config) -> Finding:
    try:
        log = SqliteEventLog(config.log_path)
        end, size = log.counts().end, log.size_bytes()
        log.close()
    except Backpressure as error:
        return Finding(FAIL, str(error), "Free space on the disk, or correct the rights of the file.")
    what = f"the event log has taken {end:,} records and is {size / 1e6:,.0f} MB large"
    if size > 1_000_000 * config.retention_mb * 1.1:
        advice = "A held or disabled destination keeps what it has not read: see `jetbridge status`."
        return Finding(WARN, f"{what}, more than JETBRIDGE_RETENTION_MB", advice)
    return Finding(OK, what)


def _running(config: Config) -> Finding:
    if home_lock.is_taken(config.home, "worker"):
        return Finding(OK, "a worker is running")
    return Finding(WARN, "no worker is running: nothing is delivered", "Run `jetbridge serve`.")


def _public_url(config: Config) -> Finding:
    if urlsplit(config.public_url).hostname in {"127.0.0.1", "localhost"}:
        what = f"only this machine reaches {config.public_url}"
        return Finding(WARN, what, "Set JETBRIDGE_PUBLIC_URL to what Mailjet and Segment can reach.")
    return Finding(OK, f"Mailjet and Segment reach us at {config.public_url}")


def _mailjet_account(config: Config, row: MailjetAccount) -> Iterator[Finding]:
    client = MailjetClient(row.api_url, row.api_key, row.secret_key)
    try:
        client.user()
        yield Finding(OK, f"{row.name}: {row.api_url} accepts the key pair")
        for connection in row.app_connections.order_by("id"):
            yield _list(client, connection)
        yield _event_callback_urls(client, callbacks.events_url(config.public_url, row.events_token))
        yield from _properties(row.id, client)
    except HoldError as error:
        yield Finding(FAIL, f"{row.name}: {error}", "Run `jetbridge setup` with the right pair.")
    except DeliveryError as error:
        yield Finding(FAIL, f"{row.name}: {error}", "Try again later; deliveries do so by themselves.")


def _list(client: MailjetClient, connection: AppConnection) -> Finding:
    found = client.contactslist(connection.list_id)
    what = f"contacts list {connection.list_id} ({connection.list_name})"
    if found is None or found.is_deleted:
        return Finding(FAIL, f"{what} is not there any more", "Run `jetbridge setup` with another --list.")
    return Finding(OK, f"{what} has {found.subscriber_count:,} subscribers")


def _properties(account_id: int, client: MailjetClient) -> Iterator[Finding]:
    for found in mistyped(account_id, client.contactmetadata()):
        what = (
            f"property {found.property} is text (str) at Mailjet, but its values are all {found.kinds} "
            f"({found.values:,} looked at): segments cannot compare them"
        )
        advice = (
            "Give the trait a property of another name (`jetbridge settings ID mapping=...`) and `jetbridge replay` "
            f"its calls; or delete the property {found.property} in Mailjet, and `jetbridge verify --repair` makes "
            f"it anew as {found.datatype}. If it is meant as text, leave it."
        )
        yield Finding(WARN, what, advice)


def _event_callback_urls(client: MailjetClient, url: str) -> Finding:
    ours = {row.event_type for row in client.eventcallbackurls() if row.url.partition("?")[0] == url}
    missing = [event_type for event_type in EVENT_TYPES if event_type not in ours]
    if missing:
        advice = "Run `jetbridge setup` again; it says for each what is in the way."
        return Finding(WARN, f"Mailjet does not send {', '.join(missing)} events here", advice)
    return Finding(OK, f"Mailjet sends all {len(EVENT_TYPES)} types of events here")


def _destinations() -> Iterator[Finding]:
    figures = account.read()
    for row in figures.destinations:
        for remark in figures.remarks.get(row.id, []):
            yield Finding(WARN, f"{row.name}: {remark}")
        if row.state == HELD:
            yield Finding(FAIL, f"{row.name} is held ({row.hold_code})", row.hold_reason)
        elif row.trouble:
            yield Finding(WARN, f"{row.name} waits and tries again", row.trouble)
        if not row.balanced:
            what = f"{row.name}: received {row.received:,}, but the outcomes do not add up to it"
            yield Finding(
                FAIL, what, "This is a bug in Jetbridge. Please report it with `jetbridge status --json`."
            )
        else:
            yield Finding(OK, f"{row.name} accounts for all {row.received:,} messages")
