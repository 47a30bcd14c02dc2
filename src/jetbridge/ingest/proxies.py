"""Whose request it is when proxies pass it on: X-Forwarded-For and X-Forwarded-Proto, of configured proxies only.

Everybody else may write what they like into these headers. They are applied once, in front of everything, so
the client's address is `scope["client"][0]`: `request.META["REMOTE_ADDR"]` in Django, `request.client.host` in
Starlette. Nobody else reads X-Forwarded-*.
"""

import logging
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from jetbridge.config import Networks

log = logging.getLogger(__name__)

#: More proxies than this in a row are a forgery.
MAX_HOPS = 32


class TrustedProxies:
    """Event loop only."""

    def __init__(self, networks: Networks) -> None:
        self._is_trusted = lru_cache(4096)(
            lambda address: any(ip_address(address) in network for network in networks)
        )
        self._warned = False

    def apply(self, scope: MutableMapping[str, Any]) -> None:
        """Set `client` and `scheme` to what the nearest trusted proxy reports; `client` is None without an address."""
        client = scope.get("client")
        peer = _peer_address(client[0]) if client else None
        scope["client"] = (peer, int(client[1])) if client and peer else None
        headers = scope["headers"]
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode(
            "latin-1"
        )
        if peer is None:
            return
        if not self._is_trusted(peer):
            # Without a warning, a proxy that nobody configured makes all clients one, and nobody knows why.
            if forwarded and not self._warned and ip_address(peer).is_private:
                self._warned = True
                log.warning(
                    "A proxy at %s sends X-Forwarded-For, which is ignored. If it is yours: JETBRIDGE_TRUSTED_PROXIES=%s.",
                    peer,
                    peer,
                )
            return
        address = client_address(peer, forwarded, self._is_trusted)
        if address != peer:
            scope["client"] = (address, 0)
        for name, value in headers:
            if name == b"x-forwarded-proto":
                scheme = value.rpartition(b",")[2].strip().lower()
                if scheme in {b"http", b"https"}:
                    scope["scheme"] = scheme.decode()


def client_address(peer: str, forwarded: str, is_trusted: Callable[[str], bool]) -> str:
    """The rightmost address that is no trusted proxy's: what stands left of it is hearsay.

    Where an entry is no address, the proxy that wrote it is the last one known.
    """
    address = peer
    for entry in reversed(forwarded.rsplit(",", MAX_HOPS)):
        if not is_trusted(address):
            break
        reported = normal_address(entry)
        if reported is None:
            break
        address = reported
    return address


def normal_address(text: str) -> str | None:
    """One spelling per address: without port, brackets and quotes; IPv4 also where it came mapped into IPv6."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if "%" in text:  # a zone, which may hold any text
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


#: Of connections, not of headers: those would fill it with any text.
_peer_address = lru_cache(4096)(normal_address)
