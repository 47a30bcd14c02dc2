"""Event callback URLs: Mailjet keeps one per event type, so ours must find its place without taking another's.

All are registered with Version 2; Mailjet's default is 1, which is one call per event.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from jetbridge.errors import PermanentError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.errors import AlreadyExists
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.mailjet.api.resources import EventCallbackUrl

PATH = "/mailjet/events/"
VERSION = 2


@dataclass(frozen=True)
class CallbackState:
    """How one event type stands. `state` is one of registered, updated, unchanged, taken, refused,
    unreachable; only the first three mean that its events come here. Who only looks sees suspended, outdated
    and missing as well, which `ensure` would mend. `host` is where events of a type that is taken go.
    """

    event_type: str
    state: str
    sentence: str
    host: str = ""
    was_suspended: bool = False

    @property
    def ours(self) -> bool:
        return self.state in {"registered", "updated", "unchanged"}

    @property
    def can_be_mended(self) -> bool:
        return self.state in {"suspended", "outdated", "missing"}


def events_url(public_url: str, events_token: str) -> str:
    """The address that Mailjet is told. Whoever knows it is Mailjet, so it is a secret."""
    return f"{public_url}{PATH}{events_token}"


def ensure(client: MailjetClient, url: str, *, now: Callable[[], float] = time.time) -> list[CallbackState]:
    """Have Mailjet send all seven event types to `url`, as far as their places are free or ours. Blocks.

    Raises TransientError and PauseError as the client does; asked again, it goes on where it stopped.
    """
    if reason := why_unreachable(url, client.api_url):
        return [CallbackState(event_type, "unreachable", reason) for event_type in EVENT_TYPES]
    rows = _primary(client)
    return [_ensure(client, event_type, url, rows, now) for event_type in EVENT_TYPES]


def look(client: MailjetClient, url: str) -> list[CallbackState]:
    """How all seven event types stand, with nothing changed. Blocks. Raises DeliveryError."""
    if reason := why_unreachable(url, client.api_url):
        return [CallbackState(event_type, "unreachable", reason) for event_type in EVENT_TYPES]
    rows = _primary(client)
    return [_seen(event_type, url, rows) for event_type in EVENT_TYPES]


def remove(client: MailjetClient, url: str) -> int:
    """Have Mailjet send nothing more to `url`; how many registrations went. Blocks. Raises DeliveryError."""
    token = _token(url)
    mine = [row for row in client.eventcallbackurls() if PATH in row.url and _token(row.url) == token]
    for row in mine:
        client.delete_eventcallbackurl(row.id)
    return len(mine)


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


def _ensure(
    client: MailjetClient,
    event_type: str,
    url: str,
    rows: Sequence[EventCallbackUrl],
    now: Callable[[], float],
) -> CallbackState:
    try:
        if row := _our_row(rows, event_type, url):
            return _correct(client, row, url, now)
        return _register(client, event_type, url)
    except PermanentError as error:
        return CallbackState(event_type, "refused", str(error))


def _register(client: MailjetClient, event_type: str, url: str) -> CallbackState:
    # Asked even if the list shows somebody's row: a master key's list shows rows of its sub-keys, too.
    try:
        client.create_eventcallbackurl(event_type, url, version=VERSION)
    except AlreadyExists:
        return _taken(event_type, url, _primary(client))
    return CallbackState(event_type, "registered", f"Mailjet sends {event_type} events here from now on.")


def _taken(event_type: str, url: str, rows: Sequence[EventCallbackUrl]) -> CallbackState:
    if _our_row(rows, event_type, url):  # `setup` and the worker looked at the same time
        return CallbackState(event_type, "registered", f"Mailjet sends {event_type} events here from now on.")
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


def _seen(event_type: str, url: str, rows: Sequence[EventCallbackUrl]) -> CallbackState:
    if row := _our_row(rows, event_type, url):
        return _judged(row, url)
    if any(row.event_type.lower() == event_type for row in rows):
        return _taken(event_type, url, rows)
    return CallbackState(event_type, "missing", f"Mailjet sends {event_type} events nowhere.")


def _judged(row: EventCallbackUrl, url: str) -> CallbackState:
    if row.status.lower() == "dead":
        sentence = f"Mailjet has suspended {row.event_type} events: for a day, their URL did not answer."
        return CallbackState(row.event_type, "suspended", sentence)
    if _without_query(row.url) != url:
        return CallbackState(row.event_type, "outdated", f"{row.event_type} events go to an old address.")
    if row.version != VERSION:
        sentence = f"Mailjet sends one call per {row.event_type} event."
        return CallbackState(row.event_type, "outdated", sentence)
    return CallbackState(row.event_type, "unchanged", f"Mailjet sends {row.event_type} events here.")


def _correct(
    client: MailjetClient, row: EventCallbackUrl, url: str, now: Callable[[], float]
) -> CallbackState:
    seen = _judged(row, url)
    if seen.ours:
        return seen
    alive, here = seen.state != "suspended", _without_query(row.url) == url
    # A suspended registration comes back to life with a new URL only, so one that is ours already is varied.
    new_url = f"{url}?revived={int(now())}" if here and not alive else url
    client.update_eventcallbackurl(row.id, url=new_url, version=VERSION)
    why = "was suspended" if not alive else "sent one call per event" if here else "led to an old address"
    sentence = f"The URL for {row.event_type} events {why}."
    return CallbackState(row.event_type, "updated", sentence, was_suspended=not alive)


def _primary(client: MailjetClient) -> list[EventCallbackUrl]:
    return [row for row in client.eventcallbackurls() if not row.is_backup]


def _our_row(rows: Sequence[EventCallbackUrl], event_type: str, url: str) -> EventCallbackUrl | None:
    return next(
        (row for row in rows if row.event_type.lower() == event_type and _is_ours(row.url, url)), None
    )


def _is_ours(theirs: str, url: str) -> bool:
    """Ours: under our path, and with our token or at our host. Another Jetbridge's is somebody else's."""
    other, own = urlsplit(theirs), urlsplit(url)
    if PATH not in other.path:
        return False
    return other.netloc == own.netloc or _token(theirs) == _token(url)


def _token(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _without_query(url: str) -> str:
    return url.partition("?")[0]
