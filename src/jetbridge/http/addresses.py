"""Addresses that people type, and which of the machines behind them may be called.

An address is typed by an editor of a workspace, the call is made from inside the operator's network. So only public
machines are called, over https, and others only where JETBRIDGE_ALLOW_PRIVATE_NETWORKS names them. A name is judged
by what it resolves to, at the moment of the call (`client.py`): it may resolve to something else a second later.
"""

import os
import re
import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from threading import BoundedSemaphore, Event, Thread
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from jetbridge.config import PrivateNetworks, private_networks
from jetbridge.errors import ConfigurationError, PauseError
from jetbridge.text import for_editors, pasted

IPAddress = IPv4Address | IPv6Address

VARIABLE = "JETBRIDGE_ALLOW_PRIVATE_NETWORKS"
#: The code of an address that is not called.
ADDRESS_NOT_ALLOWED = "ADDRESS_NOT_ALLOWED"

#: Longest address. Browsers and proxies take about as much.
LONGEST = 2_000
#: Of the machines behind one name, so many are tried.
MOST_MACHINES = 8
#: Names that are looked up at once. A name server that does not answer holds a thread for half a minute.
LOOKUPS_AT_ONCE = 32
#: How long a person waits for a name to be looked up when an address is saved.
SAVE_SECONDS = 5.0

#: What is not public, by IANA's special-purpose registries (RFC 6890 and its updates), and the metadata services of
#: clouds that have a public address (Azure's). The first row that fits names the machine.
LOOPBACK, PRIVATE = "this machine itself (loopback)", "a private address"
_SPECIAL = tuple(
    (kind, ip_network(network))
    for kind, networks in (
        ("the metadata service of a cloud",
         "169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192 fd00:ec2::254 fd20:ce::254"),
        (LOOPBACK, "127.0.0.0/8 ::1"),
        ("an unspecified address", "0.0.0.0/8 ::"),
        (PRIVATE, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fec0::/10"),
        ("a link-local address", "169.254.0.0/16 fe80::/10"),
        ("a multicast address", "224.0.0.0/4 ff00::/8"),
        ("a reserved address", "192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23"),
        ("an address of examples", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
        # Ways to write an IPv4 address in IPv6: mapped, compatible, translated, 6to4, NAT64 for local use.
        ("an IPv4 address in disguise", "::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 2002::/16 64:ff9b:1::/48"),
    )
    for network in networks.split()
)  # fmt: skip
#: Global unicast, as far as it is given out.
_GLOBAL_V6 = IPv6Network("2000::/3")
#: In networks with IPv6 only, every IPv4 machine has such an address (RFC 6052); it is judged as what it stands for.
_NAT64 = IPv6Network("64:ff9b::/96")

_NETLOC = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?)(?::[0-9]{1,5})?"
)

_lookups = BoundedSemaphore(LOOKUPS_AT_ONCE)


class Machine(NamedTuple):
    """Where a call goes; `sockaddr` is what `socket.connect` takes."""

    family: socket.AddressFamily
    address: IPAddress
    sockaddr: Any


def allowed() -> PrivateNetworks:
    """What the operator lets be called beyond the public. Read from the environment, which is checked at the start."""
    return _private_networks(os.environ.get(VARIABLE, ""))


_private_networks = lru_cache(maxsize=8)(private_networks)


def kind_of(address: IPAddress) -> str:
    """What kind of machine has this address; "" if it is a public one."""
    if isinstance(address, IPv6Address) and address in _NAT64:
        return kind_of(IPv4Address(int(address) & 0xFFFFFFFF))
    kind = next((kind for kind, network in _SPECIAL if address in network), "")
    if kind or isinstance(address, IPv4Address) or address in _GLOBAL_V6:
        return kind
    return "a reserved address"


def rejection(scheme: str, host: str, address: IPAddress) -> str:
    """Why this machine, to which `host` resolves, is not called; "" if it may be. For an editor."""
    if host.rstrip(".").lower() in allowed().hosts or any(
        address in network for network in allowed().networks
    ):
        return ""
    where = for_editors(host if host == str(address) else f"{host} ({address})")
    if kind := kind_of(address):
        return (
            f"The address leads to {where}: {kind}, which Jetbridge does not call. Enter a public address, or have the "
            f"operator add it to {VARIABLE} and start Jetbridge again."
        )
    if scheme != "https":
        return f"The address leads to {where}, which is public, so it must begin with https://."
    return ""


def machines(scheme: str, host: str, port: int, seconds: float) -> Sequence[Machine]:
    """The machines behind a host that may be called, in the resolver's order.

    Blocks for no longer than `seconds`. Raises OSError if there are none, TimeoutError, or PauseError if none of them
    may be called.
    """
    resolved = _look_up(host, port, seconds)
    reasons = [rejection(scheme, host, machine.address) for machine in resolved]
    if allowed_machines := [machine for machine, why in zip(resolved, reasons, strict=True) if not why]:
        return allowed_machines[:MOST_MACHINES]
    raise PauseError(ADDRESS_NOT_ALLOWED, reasons[0])


def any_machines(host: str, port: int, seconds: float) -> Sequence[Machine]:
    """As `machines`, for an address that the operator gave: all may be called."""
    return _look_up(host, port, seconds)[:MOST_MACHINES]


def _look_up(host: str, port: int, seconds: float) -> list[Machine]:
    try:
        return _resolve(host, port, socket.AI_NUMERICHOST)
    except OSError:
        pass  # a name
    # getaddrinfo cannot be told how long to wait: a thread waits for it that may be left behind.
    if not _lookups.acquire(timeout=seconds):
        raise TimeoutError("too many names are being looked up")
    results: list[list[Machine] | OSError] = []
    done = Event()

    def look_up() -> None:
        try:
            results.append(_resolve(host, port))
        except (OSError, UnicodeError) as error:
            results.append(OSError(f"{host} cannot be looked up: {error}"))
        finally:
            _lookups.release()
            done.set()

    Thread(target=look_up, name=f"look up {host[:60]}", daemon=True).start()
    if not done.wait(seconds):
        raise TimeoutError(f"{host} was not looked up in time")
    result = results[0]
    if isinstance(result, OSError):
        raise result
    return result


def _resolve(host: str, port: int, flags: int = 0) -> list[Machine]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    # A link-local address may come with its interface ("fe80::1%eth0").
    return [
        Machine(family, ip_address(str(where[0]).partition("%")[0]), where) for family, _, _, _, where in rows
    ]


class AddressRejected(ConfigurationError):
    """An address that a person typed is none that Jetbridge calls. `str()` says what to enter instead."""


def read_address(text: str, *, query: bool = False) -> str:
    """The address that a person means by this text: one that calls can go to, without a slash at its end.

    `query`: it may have one, which is then kept (webhooks, whose query often is a secret; the errors below repeat
    nothing of it). One without a scheme gets https. Looks nothing up. Raises AddressRejected.
    """
    text = pasted(text)
    if "://" not in text and re.search(r"[.:]", text):  # one word is no address
        text = f"https://{text.lstrip('/')}"
    if len(text) > LONGEST:
        raise AddressRejected(f"The address is longer than {LONGEST:,} characters.")
    # What parsers of addresses read in different ways, so that one would be checked and another one called.
    if re.search(r"[^\x21-\x7e]|[\\<>\"^`{|}]", text):
        raise AddressRejected("The address has blanks or other characters that no address has.")
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressRejected("Enter an address such as https://example.com.")
    if "@" in parts.netloc:
        raise AddressRejected("Enter the address without user name and password.")
    if "#" in text:
        raise AddressRejected("Enter the address without the part that begins with #.")
    if "?" in text and not query:
        raise AddressRejected("Enter the address without the part that begins with ?.")
    if not _is_host_and_port(parts.netloc):
        raise AddressRejected("The host in this address is none.")
    return text if query else text.rstrip("/")


def _is_host_and_port(text: str) -> bool:
    parts = _NETLOC.fullmatch(text)
    if not parts or ".." in text or len(text) > 253:
        return False
    if parts["six"]:
        try:
            IPv6Address(parts["six"])
        except ValueError:
            return False
    return True


def checked_address(text: str, *, query: bool = False) -> str:
    """As `read_address`, and reject at once what would be rejected when it is called.

    Blocks up to SAVE_SECONDS to look the host up. A host that cannot be found now may be there later.
    """
    address = read_address(text, query=query)
    parts = _split(address)
    try:
        machines(parts.scheme, parts.hostname or "", parts.port or 443, SAVE_SECONDS)
    except PauseError as error:
        raise AddressRejected(str(error)) from None
    except OSError:
        if parts.scheme != "https" and not any(allowed()):
            raise AddressRejected("The address must begin with https://.") from None
    return address


def address_problem(text: str, *, query: bool = False) -> str:
    """Why `checked_address` rejects this; "" if it does not."""
    try:
        checked_address(text, query=query)
    except AddressRejected as error:
        return str(error)
    return ""


def public_part(address: str) -> str:
    """What everybody may see of a webhook's address: its path and query may let anybody post who knows them."""
    return urlsplit(address).hostname or ""


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        if parts.port == 0:
            raise AddressRejected("The port in this address is none.")
    except ValueError:
        raise AddressRejected("Enter an address such as https://example.com.") from None
    return parts
