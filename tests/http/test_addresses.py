import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.config import private_networks
from jetbridge.errors import PauseError
from jetbridge.http import addresses
from jetbridge.http.addresses import AddressRejected, checked_address, kind_of, read_address
from jetbridge.http.client import Service

from .conftest import RawServer

VARIABLE = addresses.VARIABLE

PUBLIC = ("8.8.8.8", "1.1.1.1", "104.199.96.85", "2606:4700::1111", "2a00:1450:4001::1", "64:ff9b::8.8.8.8")
#: Everything an attacker would like to have called, in every spelling of an address.
NOT_PUBLIC = {
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private": (
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "fd12::1",
        "fc00::1",
    ),
    "link-local": ("169.254.1.1", "fe80::1", "febf::1"),
    "metadata": ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "169.254.170.2"),
    "multicast": ("224.0.0.1", "239.255.255.255", "ff02::1"),
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),
    "reserved": ("240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.1", "2001::1", "4000::1", "100::1"),
    "examples": ("192.0.2.1", "198.51.100.1", "203.0.113.9", "2001:db8::1"),
    "disguise": ("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "2002:7f00:1::", "64:ff9b:1::1"),
    "loopback by NAT64": ("64:ff9b::127.0.0.1",),
}


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_called(address: str) -> None:
    assert kind_of(ip_address(address)) == ""


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, each) for kind, row in NOT_PUBLIC.items() for each in row]
)
def test_what_is_not_public_is_named(kind: str, address: str) -> None:
    assert kind.split(maxsplit=1)[0] in kind_of(ip_address(address))


#: Python's own lists of what is not public, and the network whose addresses stand for those of IPv4.
_NETWORKS = [
    *IPv4Address._constants._private_networks,  # type: ignore[attr-defined]
    *IPv6Address._constants._private_networks,  # type: ignore[attr-defined]
    addresses._NAT64,
]


def behind_a_network(random: Random) -> IPv4Address | IPv6Address:
    last = random.choice(_NETWORKS).broadcast_address
    return type(last)((int(last) + 1) % 2**last.max_prefixlen)


@fuzz(
    PURE,
    address=mk.one_of(
        mk.builds(IPv4Address, mk.integers(0, 2**32 - 1)),
        mk.builds(IPv6Address, mk.integers(0, 2**128 - 1)),
        mk.builds(
            lambda network, host: network[host % network.num_addresses],
            mk.sampled_from(_NETWORKS),
            mk.integers(0),
        ),
        behind_a_network,
    ),
)
def test_nothing_is_public_that_python_knows_as_private(address: IPv4Address | IPv6Address) -> None:
    if kind_of(address) == "":
        seen = (
            IPv4Address(int(address) & 0xFFFFFFFF)
            if isinstance(address, IPv6Address) and address in addresses._NAT64
            else address
        )
        assert seen.is_global
        assert not any((seen.is_multicast, seen.is_reserved, seen.is_loopback, seen.is_link_local))


@fuzz(
    PURE,
    address=mk.sampled_from(sorted({each for row in NOT_PUBLIC.values() for each in row if ":" not in each})),
    whole=mk.integers(0, 3),
    bases=mk.lists(mk.sampled_from(["{}", "{:#x}", "0{:o}"]), least=4),
)
def test_no_spelling_of_an_ipv4_address_gets_through(address: str, whole: int, bases: list[str]) -> None:
    """Decimal, octal, hexadecimal, short and mixed forms, which resolvers read and checks by text overlook."""
    octets = IPv4Address(address).packed
    parts = [*octets[:whole], int.from_bytes(octets[whole:])]
    spelled = ".".join(base.format(part) for base, part in zip(bases, parts, strict=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE)
        try:
            machines = addresses.machines("https", spelled, 443, 5.0)
        except (PauseError, OSError):
            return
        pytest.fail(f"{spelled} is called: {machines}")


class TestGuard:
    @pytest.fixture(autouse=True)
    def _nothing_allowed(self, monkeypatch: Any) -> None:
        monkeypatch.delenv(VARIABLE)

    def call(self, url: str) -> Any:
        return Service("Segment", url, timeout_seconds=5.0).call("GET", "/", headers={})

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "0"])
    def test_a_machine_that_is_not_public_gets_no_connection(self, raw: RawServer, host: str) -> None:
        with pytest.raises(PauseError) as raised:
            self.call(f"http://{host}:{raw.port}")
        assert raised.value.code == "ADDRESS_NOT_ALLOWED"
        assert VARIABLE in str(raised.value)
        assert raw.requests == []

    def test_the_error_names_the_machine_and_what_to_do(self, raw: RawServer) -> None:
        with pytest.raises(PauseError) as raised:
            self.call(f"https://localhost:{raw.port}")
        assert str(raised.value) == (
            "The address leads to ❝localhost (127.0.0.1)❞: this machine itself (loopback), which Jetbridge does not call. "
            f"Enter a public address, or have the operator add it to {VARIABLE} and start Jetbridge again."
        )

    @pytest.mark.parametrize(
        "names", ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "localhost", "x LOCALHOST,::1"]
    )
    def test_what_the_operator_names_is_called(self, raw: RawServer, names: str, monkeypatch: Any) -> None:
        monkeypatch.setenv(VARIABLE, names)
        assert self.call(f"http://localhost:{raw.port}").body == b"ok"

    def test_a_host_is_allowed_by_its_own_name_only(self, raw: RawServer, monkeypatch: Any) -> None:
        monkeypatch.setenv(VARIABLE, "localhost")
        with pytest.raises(PauseError):
            self.call(f"http://127.0.0.1:{raw.port}")

    def test_the_address_that_was_checked_is_the_one_called(self, raw: RawServer, monkeypatch: Any) -> None:
        """DNS rebinding: the name's first answer is public, every later one is this machine. Only the name server
        is played; the connection goes where it was checked to go, and that is nowhere.
        """
        answers = iter(["203.0.113.9"])
        calls = []

        def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            calls.append(host)
            where = (next(answers, "127.0.0.1"), port)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where)]

        monkeypatch.setenv(VARIABLE, "203.0.113.0/24")  # stands in for the public internet
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr("jetbridge.http.client.CONNECT_SECONDS", 0.3)
        with pytest.raises(Exception, match=r"rebind\.example"):
            self.call(f"http://rebind.example:{raw.port}")
        assert calls == ["rebind.example"]
        with pytest.raises(PauseError, match="loopback"):
            self.call(f"http://rebind.example:{raw.port}")
        assert raw.requests == []

    def test_of_several_machines_only_those_are_called_that_may_be(
        self, raw: RawServer, monkeypatch: Any
    ) -> None:
        rows = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, raw.port))
            for each in ("10.0.0.1", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
        monkeypatch.setenv(VARIABLE, "127.0.0.1")
        assert self.call(f"http://both.example:{raw.port}").body == b"ok"

    def test_keys_go_to_the_public_over_tls_only(self) -> None:
        with pytest.raises(PauseError, match="must begin with https://"):
            self.call("http://8.8.8.8")


class TestWhatPeopleType:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            (" https://api.mailjet.com/ ", "https://api.mailjet.com"),
            ("https://api.mailjet.com/sub//", "https://api.mailjet.com/sub"),
            ("https://[2606:4700::1111]:8443", "https://[2606:4700::1111]:8443"),
            ("HTTPS://Api.Mailjet.com", "HTTPS://Api.Mailjet.com"),
            ("https://mailjet_sandbox:9090", "https://mailjet_sandbox:9090"),
            ("api.mailjet.com", "https://api.mailjet.com"),
            ("//api.mailjet.com/", "https://api.mailjet.com"),
            ("localhost:8025", "https://localhost:8025"),
            ("\ufeff'https://api.mailjet.com'\u200b", "https://api.mailjet.com"),
        ],
    )
    def test_an_address_is_read(self, text: str, address: str) -> None:
        assert read_address(text) == address

    def test_the_query_of_a_webhook_is_kept(self) -> None:
        url = "https://hooks.example.com/in/?token=s3cret/"
        assert read_address(url, query=True) == url

    @pytest.mark.parametrize(
        "text",
        [
            "", "x", "ftp://example.com/", "file:///etc/passwd", "https://", "https:///x", "http://[", "mailjet",
            "https://user@example.com", "https://user:secret@example.com", "https://@example.com",
            "https://example.com#x", "https://example.com/#", "https://example.com?x=1", "https://example.com/?",
            "https://exam ple.com", "https://example.com/\r\nHost: x", "https://example.com\\@127.0.0.1",
            "https://example..com", "https://-", "https://example.com:0", "https://example.com:99999",
            "https://example.com:x", "https://ex\u0430mple.com", "https://exam\u202eple.com", "https://%31.com",
            "https://" + "a" * 3000 + ".com",
        ],
    )  # fmt: skip
    def test_what_is_no_address_is_refused_without_repeating_it(self, text: str) -> None:
        with pytest.raises(AddressRejected) as raised:
            read_address(text)
        assert "secret" not in str(raised.value)

    def test_an_address_is_judged_when_it_is_saved(self, monkeypatch: Any) -> None:
        monkeypatch.delenv(VARIABLE)
        for text in (
            "http://127.0.0.1:9090",
            "https://localhost",
            "https://169.254.169.254/latest/meta-data",
        ):
            with pytest.raises(AddressRejected, match="which Jetbridge does not call"):
                checked_address(text)
        with pytest.raises(AddressRejected, match="must begin with https"):
            checked_address("http://nowhere.invalid")
        assert (
            checked_address("https://nowhere.invalid") == "https://nowhere.invalid"
        )  # it may be there later

    def test_what_the_operator_allows_needs_no_tls(self) -> None:
        assert checked_address("http://127.0.0.1:9090/") == "http://127.0.0.1:9090"


@fuzz(
    PURE,
    typed=mk.one_of(
        mk.text(most=60),
        mk.text("htps:/@#?[]\\.%0x1azA \t\n", most=40),
        mk.builds("https://{}".format, mk.text(most=40)),
        mk.builds("{}://{}{}{}".format, mk.sampled_from(["http", "https"]),
               mk.sampled_from(["", "u@", "u:p@"]), mk.sampled_from(["a.example", "127.1", "[::1]", "::1", "[v1.x]"]),
               mk.text("/?#:@\\%a1", most=12)),
    ),
)  # fmt: skip
def test_what_is_read_as_an_address_means_one_host_to_every_parser(typed: str) -> None:
    from urllib.parse import urlsplit  # noqa: PLC0415

    from urllib3.util import parse_url  # noqa: PLC0415

    try:
        address = read_address(typed)
    except AddressRejected:
        return
    ours, theirs = urlsplit(address), parse_url(address)
    assert (theirs.host or "").strip("[]").lower() == ours.hostname
    assert theirs.port == ours.port
    assert theirs.auth is None
    assert not theirs.query
    assert not theirs.fragment


class TestVariable:
    def test_networks_and_hosts_are_told_apart(self) -> None:
        found = private_networks("10.1.0.0/16, 127.0.0.1 ::1,Crm.internal mailjet-sandbox")
        assert [str(each) for each in found.networks] == ["10.1.0.0/16", "127.0.0.1/32", "::1/128"]
        assert found.hosts == {"crm.internal", "mailjet-sandbox"}

    @pytest.mark.parametrize("text", ["10.0.0.0/99", "http://x", "300.1.1.1", "a b/8", "*", "x..y", "-"])
    def test_what_is_neither_stops_the_start(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"a list of networks and hosts such as 10\.1\.0\.0/16"):
            private_networks(text)
