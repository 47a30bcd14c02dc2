"""Event callback URLs: where Mailjet sends the events of an account.

Mailjet has one URL per event type, so ours is registered only where no other one is. All are registered with Version 2; Mailjet's
default is 1, which is one call per event. Mailjet suspends a URL that failed for a day, and people change registrations on
Mailjet's pages, so the worker checks them all the time (`CallbackRegistrar`).
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from threading import Event
from urllib.parse import urlsplit

from jetbridge.control.directory import AccountRef
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.eventlog.base import EventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.errors import AlreadyExists
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.api.resources import EventCallbackUrl
from jetbridge.integrations.mailjet.events import missed_events

log = logging.getLogger(__name__)

PATH = "/mailjet/events/"
VERSION = 2
CHECK_SECONDS = 20 * 60.0


@dataclass(frozen=True)
class CallbackState:
    """The registration of one event type. `state` is one of registered, updated, unchanged, taken, rejected,
    unreachable; only the first three mean that its events come here. `read` also returns suspended, outdated
    and missing, which `ensure` repairs. `host` is where events of a type that is taken go.
    """

    event_type: str
    state: str
    message: str
    host: str = ""
    was_suspended: bool = False

    @property
    def is_ours(self) -> bool:
        return self.state in {"registered", "updated", "unchanged"}

    @property
    def is_repairable(self) -> bool:
        return self.state in {"suspended", "outdated", "missing"}


def events_url(public_url: str, events_token: str) -> str:
    """The address that is registered at Mailjet. Whoever knows it is Mailjet, so it is a secret."""
    return f"{public_url}{PATH}{events_token}"


def repair(
    client: MailjetClient, account: int, url: str, *, now: datetime | None = None
) -> list[CallbackState]:
    """`ensure`, and record for `missed_events` which URLs were suspended. Blocks. Raises TransientError and PauseError."""
    states = ensure(client, url)
    missed_events.record_callbacks(
        account,
        suspended={row.event_type for row in states if row.was_suspended},
        connected={row.event_type for row in states if row.is_ours},
        now=now or datetime.now(UTC),
    )
    return states


def ensure(client: MailjetClient, url: str, *, now: Callable[[], float] = time.time) -> list[CallbackState]:
    """Have Mailjet send all seven event types to `url`, as far as no other URL is registered. Blocks.

    Raises TransientError and PauseError as the client does; called again, it goes on where it stopped.
    """
    if reason := why_unreachable(url, client.api_url):
        return [CallbackState(event_type, "unreachable", reason) for event_type in EVENT_TYPES]
    rows = _primary(client)
    states = []
    for event_type in EVENT_TYPES:
        row = _our_row(rows, event_type, url)
        try:
            if row:
                state = _update(client, row, url, now)
            else:
                try:
                    # Also if the list shows another URL: the list of a master key has rows of its sub-keys.
                    client.create_eventcallbackurl(event_type, url, version=VERSION)
                    state = _registered(event_type)
                except AlreadyExists:
                    state = _taken(event_type, url, _primary(client))
        except PermanentError as error:
            state = CallbackState(event_type, "rejected", str(error))
        states.append(state)
    return states


def read(client: MailjetClient, url: str) -> list[CallbackState]:
    """The registrations of all seven event types, with nothing changed. Blocks. Raises DeliveryError."""
    if reason := why_unreachable(url, client.api_url):
        return [CallbackState(event_type, "unreachable", reason) for event_type in EVENT_TYPES]
    rows = _primary(client)
    states = []
    for event_type in EVENT_TYPES:
        if row := _our_row(rows, event_type, url):
            state = _state_of(row, url)
        elif any(row.event_type.lower() == event_type for row in rows):
            state = _taken(event_type, url, rows)
        else:
            state = CallbackState(event_type, "missing", f"Mailjet sends {event_type} events nowhere.")
        states.append(state)
    return states


def remove(client: MailjetClient, url: str) -> int:
    """Have Mailjet send nothing more to `url`; how many registrations were removed. Blocks. Raises DeliveryError."""
    token = _token(url)
    own = [row for row in client.eventcallbackurls() if PATH in row.url and _token(row.url) == token]
    for row in own:
        client.delete_eventcallbackurl(row.id)
    return len(own)


class CallbackRegistrar:
    """Keeps the event callback URLs of one account registered while the worker runs, and notices missed events."""

    def __init__(
        self,
        client: MailjetClient,
        url: str,
        account: AccountRef,
        event_log: EventLog,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._url = url
        self._account = account
        self._event_log = event_log
        self._now = now
        self._backoff = Backoff(base_seconds=5.0)
        self._logged: set[str] = set()

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            stop.wait(self.check())

    def check(self) -> float:
        """Check once; return the seconds until the next check. Logs what the last check has not logged."""
        try:
            states = repair(self._client, self._account.id, self._url, now=self._now())
            connected = [row.event_type for row in states if row.is_ours]
            missed_events.check_messages(self._client, self._event_log, self._account, connected, self._now())
        except TransientError as error:
            return self._backoff.next_wait(error)
        except DeliveryError as error:
            self._log({str(error)})
            return CHECK_SECONDS
        self._backoff.reset()
        self._log({row.message for row in states if row.state != "unchanged"})
        return CHECK_SECONDS

    def _log(self, messages: set[str]) -> None:
        for message in sorted(messages - self._logged):
            log.warning("Mailjet account %s: %s", self._account.name, message)
        self._logged = messages


def why_unreachable(url: str, api_url: str) -> str | None:
    """Why Mailjet could not reach this address, or None. A Mailjet on this machine can reach this machine."""
    if not is_this_machine(url) or is_this_machine(api_url):
        return None
    return (
        f"Mailjet cannot reach {urlsplit(url).hostname}, which is this machine only. Set JETBRIDGE_PUBLIC_URL to "
        "the address under which the Internet reaches this Jetbridge, and start it again."
    )


def is_this_machine(url: str) -> bool:
    """Whether only this machine itself can reach the address."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _update(
    client: MailjetClient, row: EventCallbackUrl, url: str, now: Callable[[], float]
) -> CallbackState:
    state = _state_of(row, url)
    if state.is_ours:
        return state
    is_suspended, is_here = state.state == "suspended", _without_query(row.url) == url
    # Mailjet revives a suspended registration only with a new URL, so one that is ours already gets a query.
    new_url = f"{url}?revived={int(now())}" if is_here and is_suspended else url
    client.update_eventcallbackurl(row.id, url=new_url, version=VERSION)
    why = (
        "was suspended" if is_suspended else "sent one call per event" if is_here else "led to an old address"
    )
    message = f"The URL for {row.event_type} events {why}."
    return CallbackState(row.event_type, "updated", message, was_suspended=is_suspended)


def _state_of(row: EventCallbackUrl, url: str) -> CallbackState:
    if row.status.lower() == "dead":
        message = f"Mailjet has suspended {row.event_type} events: for a day, their URL did not answer."
        return CallbackState(row.event_type, "suspended", message)
    if _without_query(row.url) != url:
        return CallbackState(row.event_type, "outdated", f"{row.event_type} events go to an old address.")
    if row.version != VERSION:
        message = f"Mailjet sends one call per {row.event_type} event."
        return CallbackState(row.event_type, "outdated", message)
    return CallbackState(row.event_type, "unchanged", f"Mailjet sends {row.event_type} events here.")


def _registered(event_type: str) -> CallbackState:
    return CallbackState(event_type, "registered", f"Mailjet sends {event_type} events here from now on.")


def _taken(event_type: str, url: str, rows: Sequence[EventCallbackUrl]) -> CallbackState:
    if _our_row(rows, event_type, url):  # `setup` and the worker registered it at the same time
        return _registered(event_type)
    hosts = [urlsplit(row.url).hostname for row in rows if row.event_type.lower() == event_type]
    host = (hosts and hosts[0]) or "another address"
    return CallbackState(
        event_type,
        "taken",
        f"Mailjet sends {event_type} events to {host} and to no second "
        "address. Remove that event callback URL in Mailjet (Account, Event notifications) if they should "
        "come here.",
        host,
    )


def _primary(client: MailjetClient) -> list[EventCallbackUrl]:
    return [row for row in client.eventcallbackurls() if not row.is_backup]


def _our_row(rows: Sequence[EventCallbackUrl], event_type: str, url: str) -> EventCallbackUrl | None:
    """Ours is under our path, and with our token or at our host. Another one under the path is of another Jetbridge."""
    for row in rows:
        if row.event_type.lower() != event_type or PATH not in urlsplit(row.url).path:
            continue
        if urlsplit(row.url).netloc == urlsplit(url).netloc or _token(row.url) == _token(url):
            return row
    return None


def _token(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _without_query(url: str) -> str:
    return url.partition("?")[0]
