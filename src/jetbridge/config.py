"""What the environment says: `JETBRIDGE_*` variables, parsed once, so that a wrong value stops the start.

Every variable is a row of VARIABLES; the configuration page of the docs lists the same rows, and a test
compares the two.
"""

import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jetbridge.errors import ConfigurationError


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address such as https://jetbridge.example.com")
    return text.rstrip("/")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError("at least 32 characters, best made by `jetbridge` itself on first start")
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
    def log_path(self) -> Path:
        return self.home / "eventlog.db"

    @property
    def state_path(self) -> Path:
        return self.home / "state.db"


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read every variable, make the home folder and the secret key if need be.

    Raises ConfigurationError naming the variable, what it holds and what is accepted.
    """
    values = {row.name.lower(): _value(row, environ) for row in VARIABLES}
    home: Path = values["home"]
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"JETBRIDGE_HOME: {home} cannot be made: {error.strerror}.") from error
    values["public_url"] = values["public_url"] or f"http://127.0.0.1:{values['port']}"
    values["smtp_url"] = values["smtp_url"] or None
    values["smtp_from"] = values["smtp_from"] or f"jetbridge@{urlsplit(values['public_url']).hostname}"
    values["secret_key"] = values["secret_key"] or _stored_secret(home / "secret.key")
    return Config(**values)


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
    if not path.exists():
        _make_secret(path)
    return _secret_from(path)


def _make_secret(path: Path) -> None:
    # Of two processes that start at once, one links its key, and both read that one whole.
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        path.hardlink_to(name)
    Path(name).unlink()


def _secret_from(path: Path) -> str:
    try:
        return _secret(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} does not hold a secret key ({error}). Restore it, or set JETBRIDGE_SECRET_KEY."
        ) from error
