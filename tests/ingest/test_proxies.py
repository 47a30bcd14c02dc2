"""Whose request it is: a stranger's X-Forwarded-* changes nothing, a configured proxy's names the client."""

import logging
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.ingest.proxies import TrustedProxies, client_address, normal_address

TRUSTED = tuple(map(ip_network, ("127.0.0.1", "10.0.0.0/8", "fd00::/8")))


def applied(peer: str | None, *headers: tuple[str, str], trusted: Any = TRUSTED) -> tuple[str | None, str]:
    """Client and scheme of a request that came from `peer`."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"client": None if peer is None else (peer, "4000"), "scheme": "http", "headers": raw}
    TrustedProxies(trusted).apply(scope)
    return scope["client"][0] if scope["client"] else None, scope["scheme"]  # type: ignore[index,return-value]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # what stands left of it is hearsay
        ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),  # through two proxies of ours
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),  # from within
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9, unknown", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9, _hidden, 10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9:51234", "203.0.113.9"),
        ("127.0.0.1", '"[2001:db8::7]:443"', "2001:db8::7"),
        ("127.0.0.1", "2001:DB8:0::7", "2001:db8::7"),
        ("127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "fe80::1%<script>", "127.0.0.1"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),  # a socket that takes both versions
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("8.8.8.8", "203.0.113.9", "8.8.8.8"),  # a stranger may write anything
        ("::1", "203.0.113.9", "::1"),  # nobody configured it
        ("127.0.0.1", "x" * 9_000, "127.0.0.1"),
        ("127.0.0.1", "10.0.0.1," * 9_000, "127.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy_of_ours(
    peer: str, forwarded: str, client: str
) -> None:
    assert applied(peer, ("x-forwarded-for", forwarded))[0] == client


def test_several_headers_are_one_list() -> None:
    headers = [
        ("x-forwarded-for", "6.6.6.6"),
        ("accept", "*/*"),
        ("x-forwarded-for", "203.0.113.9, 10.0.0.9"),
    ]
    assert applied("127.0.0.1", *headers)[0] == "203.0.113.9"


@pytest.mark.parametrize("peer", [None, "", "/run/jetbridge.sock"])
def test_a_peer_without_an_address_has_none(peer: str | None) -> None:
    assert applied(peer, ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")) == (None, "http")


@pytest.mark.parametrize(
    ("peer", "forwarded", "scheme"),
    [
        ("127.0.0.1", "https", "https"),
        ("127.0.0.1", "http, HTTPS", "https"),
        ("127.0.0.1", "https, http", "http"),
        ("127.0.0.1", "gopher", "http"),
        ("8.8.8.8", "https", "http"),
    ],
)
def test_the_scheme_is_the_proxys(peer: str, forwarded: str, scheme: str) -> None:
    assert applied(peer, ("x-forwarded-proto", forwarded))[1] == scheme


ADDRESSES = mk.one_of(
    mk.builds(lambda number: str(IPv4Address(number)), mk.integers(0, 2**32 - 1)),
    mk.builds(lambda number: str(IPv6Address(number)), mk.integers(0, 2**128 - 1)),
    mk.sampled_from(["127.0.0.1", "10.1.2.3", "fd00::1", "::ffff:10.1.2.3", "::1", "0.0.0.0"]),
)
ENTRIES = mk.one_of(
    ADDRESSES,
    mk.builds(" [{}]:80".format, ADDRESSES),
    mk.builds("{}%{}".format, ADDRESSES, mk.text(most=8)),
    mk.builds("::ffff:{}".format, ADDRESSES),
    mk.text(most=60),
)


@fuzz(PURE, peer=ADDRESSES, entries=mk.lists(ENTRIES, most=6), seen_by_proxy=ADDRESSES)
def test_a_stranger_never_chooses_an_address_beyond_the_last_proxy(
    peer: str, entries: list[str], seen_by_proxy: str
) -> None:
    """Whatever a client sends, the proxy appends the address that it saw: that one counts, unless it is a proxy's."""

    def is_trusted(address: str) -> bool:
        return any(ip_address(address) in network for network in TRUSTED)

    assert client_address("127.0.0.1", ",".join([*entries, seen_by_proxy]), is_trusted) == normal_address(
        seen_by_proxy
    ) or is_trusted(normal_address(seen_by_proxy) or "")
    if not is_trusted(normal_address(peer) or ""):
        assert client_address(peer, ",".join(entries), is_trusted) == peer


@fuzz(PURE, entry=ENTRIES)
def test_an_address_is_one_or_nothing(entry: str) -> None:
    address = normal_address(entry)
    if address is None:
        return
    parsed = ip_address(address)
    assert str(parsed) == address == normal_address(address)
    assert set(address) <= set("0123456789abcdef.:")  # no zone, which may hold any text
    assert isinstance(parsed, IPv4Address) or parsed.ipv4_mapped is None


def test_a_proxy_that_nobody_configured_is_named_once(caplog: Any) -> None:
    proxies = TrustedProxies(())
    for _ in range(3):
        headers = [(b"x-forwarded-for", b"203.0.113.9")]
        proxies.apply({"client": ("10.0.0.1", "1"), "scheme": "http", "headers": headers})
        proxies.apply({"client": ("8.8.8.8", "1"), "scheme": "http", "headers": headers})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "JETBRIDGE_TRUSTED_PROXIES=10.0.0.1" in caplog.text


CALL = {"anonymousId": "a", "context": {"library": {"name": "analytics.js"}}}


@pytest.mark.parametrize(("trusted", "ip"), [((), "127.0.0.1"), (TRUSTED, "203.0.113.7")])
@pytest.mark.parametrize("path", ["/v1/identify", "/v1/pixel/identify?anonymousId=a&writeKey="])
def test_the_clients_address_is_kept_with_its_call(serve: Any, trusted: Any, ip: str, path: str) -> None:
    server = serve(trusted_proxies=trusted)
    forwarded = {"x-forwarded-for": "192.0.2.1, 203.0.113.7"}
    if "pixel" in path:
        server.get(path + server.write_key, **forwarded)
    else:
        server.post(path, CALL | {"writeKey": server.write_key}, **forwarded)
    (message,) = server.messages()
    assert message["context"]["ip"] == ip
