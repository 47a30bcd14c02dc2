"""What the environment says: `JETBRIDGE_*` variables, parsed once, so that a wrong value stops the start.

Every variable is a row of VARIABLES; the configuration page of the docs lists the same rows, and a test
compares the two.
"""

import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from jetbridge.errors import ConfigurationError

log = logging.getLogger(__name__)

#: An installation has it.
STATE = "state.db"
#: What Jetbridge keeps in its home; other files there are none of its business.
FILES = ("secret.key", "state.db*", "eventlog.*", "engage-*.db*", "*.lock")


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address such as https://jetbridge.example.com")
    return text.rstrip("/")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if len(text) > 20 or not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError("at least 32 characters, best made by `jetbridge` itself on first start")
    return text


def _token(text: str) -> str:
    if len(text) < 16 or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("at least 16 visible ASCII characters, such as `openssl rand -hex 24` makes")
    return text


def _smtp(text: str) -> SplitResult:
    parts = urlsplit(text)
    with suppress(ValueError):  # of .port, in words of its own
        if (
            parts.scheme in {"smtp", "smtps"}
            and parts.hostname
            and not parts.path.strip("/")
            and parts.port != 0
        ):
            return parts
    raise ValueError("an address such as smtp://user:password@mail.example.com:587")


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", text):
        raise ValueError("an email address such as jetbridge@example.com")
    return text


Networks = tuple[IPv4Network | IPv6Network, ...]


def _networks(text: str) -> Networks:
    try:
        networks = tuple(ip_network(part) for part in text.replace(",", " ").split())
    except ValueError:
        networks = ()
    if not networks or any(network.prefixlen == 0 for network in networks):
        raise ValueError(
            "a list of addresses and networks such as 127.0.0.1, 10.0.0.0/8, fd00::/8 (not everybody)"
        )
    return networks


class PrivateNetworks(NamedTuple):
    """What may be called although it is not public: networks, and hosts by name, whatever they resolve to."""

    networks: Networks = ()
    hosts: frozenset[str] = frozenset()


def private_networks(text: str) -> PrivateNetworks:
    """Read a list such as `10.1.0.0/16, ::1, mailjet-sandbox`. Raises ValueError."""
    networks, hosts = [], set()
    for part in text.replace(",", " ").split():
        try:
            networks.append(ip_network(part, strict=False))
        except ValueError:
            if (
                not re.fullmatch(r"(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", part)
                or part[-1].isdecimal()
            ):
                raise ValueError(
                    "a list of networks and hosts such as 10.1.0.0/16, ::1, crm.internal"
                ) from None
            hosts.add(part.lower())
    return PrivateNetworks(tuple(networks), frozenset(hosts))


def _folders(text: str) -> tuple[Path, ...]:
    folders = tuple(Path(part.strip()).expanduser() for part in text.split(":") if part.strip())
    if not folders or not all(folder.is_absolute() for folder in folders):
        raise ValueError("a list of absolute folders such as /srv/warehouses:/data/duckdb")
    return folders


@dataclass(frozen=True)
class Variable:
    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    #: Errors do not repeat its value.
    secret: bool = False


VARIABLES = (
    Variable("HOME", "~/.jetbridge", lambda text: Path(text).expanduser(), "folder of everything embedded"),
    Variable("SECRET_KEY", "", _secret, "encrypts keys at rest; made on first start if absent", secret=True),
    # Without a default: an address that does not follow PORT would be wrong in silence.
    Variable("PUBLIC_URL", "", _url, "address under which Mailjet and Segment reach us"),
    Variable("HOST", "127.0.0.1", str, "interface that `web` listens on"),
    Variable("PORT", "8080", _whole(1, 65535), "port that `web` listens on"),
    Variable("TRUSTED_PROXIES", "", _networks, "proxies whose X-Forwarded-For and X-Forwarded-Proto count"),
    Variable(
        "ALLOW_PRIVATE_NETWORKS",
        "",
        private_networks,
        "networks and hosts that may be called although they are not public",
    ),
    Variable("WAREHOUSE_DIRS", "", _folders, "folders in which warehouses may be, beside the home's"),
    Variable("WAREHOUSE_NETWORKS", "", private_networks, "networks and hosts in which databases may be"),
    Variable("METRICS_TOKEN", "", _token, "what Prometheus sends as Bearer token to /metrics", secret=True),
    Variable("RETRY_HOURS", "4", _whole(1, 720), "how long is tried again what fails for now"),
    Variable(
        "RETENTION_DAYS", "14", _whole(1, 3650), "age at which a delivered message leaves the event log"
    ),
    Variable(
        "RETENTION_MB", "10240", _whole(16, 10_000_000), "size above which delivered messages leave earlier"
    ),
    Variable("SMTP_URL", "", _smtp, "mail server for alerts and invitations", secret=True),
    Variable("SMTP_FROM", "", _email, "sender of that mail"),
)


@dataclass(frozen=True)
class Config:
    home: Path
    secret_key: str = field(repr=False)
    public_url: str
    host: str
    port: int
    trusted_proxies: Networks
    #: "": there is no /metrics.
    metrics_token: str = field(repr=False)
    allow_private_networks: PrivateNetworks
    warehouse_dirs: tuple[Path, ...]
    #: Without any: public, private and loopback addresses.
    warehouse_networks: PrivateNetworks
    retry_hours: int
    retention_days: int
    retention_mb: int
    #: None: no mail is sent.
    smtp_url: SplitResult | None = field(repr=False)
    smtp_from: str

    @property
    def retry_seconds(self) -> float:
        return self.retry_hours * 3_600.0

    @property
    def listen_url(self) -> str:
        """What `web` listens on, as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def public_host(self) -> str:
        """Host of the public URL, as browsers write it into the Host header, without the port."""
        host = urlsplit(self.public_url).hostname or ""
        if ":" in host:
            return f"[{host}]"
        with suppress(UnicodeError):
            return host.encode("idna").decode()
        return host

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the public URL over TLS."""
        return self.public_url.startswith("https://")

    @property
    def log_path(self) -> Path:
        return self.home / "eventlog.db"

    @property
    def state_path(self) -> Path:
        return self.home / STATE


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read every variable, make the home folder and the secret key if need be. Files in it become their owner's only.

    Raises ConfigurationError naming the variable, what it holds and what is accepted.
    """
    values = {row.name.lower(): _value(row, environ) for row in VARIABLES}
    folder = home(environ)
    for path in files_for_others(folder):  # such as a backup that was copied here
        with suppress(OSError):  # of another owner: `jetbridge doctor` reports it
            path.chmod(0o600)
            log.warning("Others could read %s: from now on its owner only can.", path)
    values["public_url"] = values["public_url"] or _own_url(values["host"], values["port"])
    values["trusted_proxies"] = values["trusted_proxies"] or ()
    values["smtp_url"] = values["smtp_url"] or None
    values["allow_private_networks"] = values["allow_private_networks"] or PrivateNetworks()
    values["warehouse_dirs"] = values["warehouse_dirs"] or ()
    values["warehouse_networks"] = values["warehouse_networks"] or PrivateNetworks()
    values["smtp_from"] = values["smtp_from"] or f"jetbridge@{urlsplit(values['public_url']).hostname}"
    values["secret_key"] = values["secret_key"] or _stored_secret(folder / "secret.key")
    return Config(**values)


def home_path(environ: Mapping[str, str] = os.environ) -> Path:
    """JETBRIDGE_HOME, whether it is there or not."""
    path: Path = _value(VARIABLES[0], environ)
    return path


def own_url(environ: Mapping[str, str] = os.environ) -> str:
    """The address under which this machine reaches `web`. Needs no home. Raises ConfigurationError."""
    values = {row.name: _value(row, environ) for row in VARIABLES if row.name in {"HOST", "PORT"}}
    return _own_url(values["HOST"], values["PORT"])


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """JETBRIDGE_HOME, made if need be, and nothing in it. Raises ConfigurationError."""
    folder = home_path(environ)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"JETBRIDGE_HOME: {folder} cannot be made: {error.strerror}.") from error
    return folder


def existing_home(environ: Mapping[str, str] = os.environ) -> Path:
    """JETBRIDGE_HOME with an installation in it; makes nothing. Raises ConfigurationError."""
    folder = home_path(environ)
    if not os.path.lexists(folder / STATE):
        raise ConfigurationError(
            f"There is no Jetbridge in {folder}: it has no {STATE}. Set JETBRIDGE_HOME to the folder of yours, or "
            "begin a new one with `jetbridge serve` or `jetbridge setup`."
        )
    return folder


def files_for_others(folder: Path) -> list[Path]:
    """What others can read, of the files that Jetbridge keeps in its home."""
    readable = []
    for path in sorted(path for pattern in FILES for path in folder.glob(pattern)):
        with suppress(FileNotFoundError):  # SQLite removes what it does not need any more
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                readable.append(path)
    return readable


def _own_url(host: str, port: int) -> str:
    """The address under which this machine reaches itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"


def _value(row: Variable, environ: Mapping[str, str]) -> Any:
    text = environ.get(f"JETBRIDGE_{row.name}", "")
    if not text and not row.default:
        return ""
    try:
        return row.parse(text or row.default)
    except ValueError as error:
        shown = "the value given" if row.secret else repr(text)
        raise ConfigurationError(f"JETBRIDGE_{row.name}: {shown} is not {error}.") from None


def _stored_secret(path: Path) -> str:
    """The secret key in a file, which is made if need be."""
    if not path.exists():
        try:
            # Of two processes that start at once, one links its key, and both read that one whole.
            descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(name)
            Path(name).unlink()
        except OSError as error:
            raise ConfigurationError(
                f"The secret key cannot be written to {path}: {error.strerror}. Free space on the disk, or correct the "
                "rights of the folder."
            ) from error
    try:
        return _secret(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} does not hold a secret key ({error}). Restore it, or set JETBRIDGE_SECRET_KEY."
        ) from error
