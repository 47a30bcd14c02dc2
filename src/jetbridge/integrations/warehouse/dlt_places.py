"""Places that dlt writes to, and the URLs that name them.

Only options that are listed here are taken from a URL: those of drivers can name files of the machine, or libraries to load.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from jetbridge.integrations.warehouse.database import InvalidURL

#: What every installation with `jetbridge[dlt]` can write to; others need a driver of dlt's.
OURS: Final = "jetbridge[dlt]"


class DltPlace(NamedTuple):
    """`destination` is dlt's name for it, and `arguments` are what dlt is called with, secrets among them.

    `location` names the place without user and password. `host` is one that is looked up by us; "" for services whose makers say
    where they are. `path` is a folder of this machine. `extra` is what pip installs for it.
    """

    title: str
    destination: str
    arguments: Mapping[str, Any]
    location: str
    host: str = ""
    port: int = 0
    path: Path | None = None
    extra: str = OURS
    #: It needs the setting `key`.
    needs_key: bool = False

    @property
    def is_files(self) -> bool:
        return self.destination == "filesystem"

    @property
    def can_widen(self) -> bool:
        """Whether a column of integers can become one of floats."""
        return self.destination in {"filesystem", "postgres"}

    def with_key(self, key: str) -> "DltPlace":
        return self._replace(arguments={**self.arguments, "credentials": json.loads(key)})

    @property
    def secrets(self) -> list[str]:
        """What no log may show."""
        credentials = self.arguments.get("credentials") or {}
        names = (
            "password",
            "aws_secret_access_key",
            "azure_storage_account_key",
            "access_token",
            "private_key",
        )
        return [credentials[name] for name in names if credentials.get(name)]


class _Parsed(NamedTuple):
    """A URL in parts, unquoted. `names` are the parts of its path."""

    host: str
    port: int
    user: str
    password: str
    names: list[str]
    options: dict[str, str]
    location: str


def parse_dlt_url(parts: SplitResult, allowed_folder: Callable[[str], Path]) -> DltPlace | None:
    """The place that a URL names; None if it names none. Raises InvalidURL. `allowed_folder` makes a path of this machine of one in a URL."""
    parse = _PLACES.get(parts.scheme)
    if parts.scheme == "filesystem":
        if parts.netloc or parts.query or parts.fragment or not parts.path.strip("/"):
            raise InvalidURL("A folder is named by three slashes and its path: filesystem:///folder.")
        path = allowed_folder(parts.path)
        return DltPlace("Files", "filesystem", {"bucket_url": f"file://{path}"}, f"file://{path}", path=path)
    if parse is None:
        return None
    if "\0" in unquote(parts.geturl()) or parts.fragment:
        raise InvalidURL("The URL has a character that no address has.")
    location = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return parse(
        _Parsed(
            parts.hostname or "",
            parts.port or 0,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            [unquote(name) for name in parts.path.split("/") if name],
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            location,
        )
    )


def _check(url: _Parsed, example: str, options: Mapping[str, str], *, names: int, login: bool = True) -> None:
    """That a URL looks like the example. `options` are those it may have, each with the pattern of its values."""
    if (
        not re.fullmatch(r"[A-Za-z0-9_.:-]+", url.host)
        or (login and not (url.user and url.password))
        or (names >= 0 and len(url.names) != names)
    ):
        raise InvalidURL(f"It looks like this: {example}.")
    for name, value in url.options.items():
        if name not in options:
            known = ", ".join(options) or "none"
            raise InvalidURL(f"There is no option {name[:40]!r}; there is {known}.")
        if not re.fullmatch(options[name], value, re.ASCII):
            raise InvalidURL(f"The option {name} cannot be {value[:40]!r}.")


def _postgres(url: _Parsed) -> DltPlace:
    example = "dlt+postgresql://user:password@host:5432/database"
    _check(url, example, {"sslmode": "disable|prefer|require|verify-full"}, names=1)
    mode = url.options.get("sslmode", "prefer")
    query = {"sslmode": mode} | ({"sslrootcert": "system"} if mode == "verify-full" else {})
    return _server(url, "PostgreSQL", "postgres", 5432, {"query": query})._replace(extra=OURS)


def _redshift(url: _Parsed) -> DltPlace:
    _check(url, "redshift://user:password@host:5439/database", {}, names=1)
    return _server(url, "Redshift", "redshift", 5439, {"query": {"sslmode": "require"}})


def _clickhouse(url: _Parsed) -> DltPlace:
    options = {"http_port": r"\d{1,5}", "secure": "[01]"}
    _check(url, "clickhouse://user:password@host:9440/database?http_port=8443", options, names=1)
    own = {
        name: int(url.options.get(name, default))
        for name, default in {"http_port": 8443, "secure": 1}.items()
    }
    return _server(url, "ClickHouse", "clickhouse", 9440, own)


def _mssql(url: _Parsed) -> DltPlace:
    _check(url, "mssql://user:password@host:1433/database", {"TrustServerCertificate": "yes|no"}, names=1)
    return _server(url, "SQL Server", "mssql", 1433, {"query": dict(url.options)})


def _server(url: _Parsed, title: str, destination: str, port: int, own: Mapping[str, Any]) -> DltPlace:
    port = url.port or port
    credentials = {
        "host": url.host,
        "port": port,
        "username": url.user,
        "password": url.password,
        "database": url.names[0],
        **own,
    }
    return DltPlace(
        title,
        destination,
        {"credentials": credentials},
        url.location,
        url.host,
        port,
        extra=f"dlt[{destination}]",
    )


def _snowflake(url: _Parsed) -> DltPlace:
    name = "[A-Za-z0-9_$]{1,255}"
    _check(
        url,
        "snowflake://user:password@account/database?warehouse=NAME",
        {"warehouse": name, "role": name},
        names=1,
    )
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", url.host) or url.port:
        raise InvalidURL("Before the database stands the account's identifier, such as kgiotue-wn98412.")
    credentials = {
        "host": url.host,
        "username": url.user,
        "password": url.password,
        "database": url.names[0],
        **url.options,
    }
    return DltPlace(
        "Snowflake", "snowflake", {"credentials": credentials}, url.location, extra="dlt[snowflake]"
    )


def _databricks(url: _Parsed) -> DltPlace:
    example = "databricks://token:TOKEN@host/catalog?http_path=/sql/1.0/warehouses/ID"
    _check(url, example, {"http_path": "/[A-Za-z0-9/._-]{1,200}"}, names=1)
    if "http_path" not in url.options:
        raise InvalidURL(f"It looks like this: {example}.")
    credentials = {
        "server_hostname": url.host,
        "http_path": url.options["http_path"],
        "access_token": url.password,
        "catalog": url.names[0],
    }
    return DltPlace(
        "Databricks",
        "databricks",
        {"credentials": credentials},
        url.location,
        url.host,
        443,
        extra="dlt[databricks]",
    )


def _motherduck(url: _Parsed) -> DltPlace:
    _check(url, "motherduck://token:TOKEN@database", {}, names=0)
    credentials = {"database": url.host, "password": url.password}
    return DltPlace(
        "MotherDuck", "motherduck", {"credentials": credentials}, url.location, extra="dlt[motherduck]"
    )


def _bigquery(url: _Parsed) -> DltPlace:
    _check(url, "bigquery://project?location=EU", {"location": "[A-Za-z0-9-]{1,40}"}, names=0, login=False)
    arguments = {"project_id": url.host, "location": url.options.get("location", "US")}
    return DltPlace("BigQuery", "bigquery", arguments, url.location, extra="dlt[bigquery]", needs_key=True)


def _s3(url: _Parsed) -> DltPlace:
    options = {"region": "[a-z0-9-]{1,40}", "endpoint": "https?://.{1,200}"}
    # Without keys of its own the client would ask the machine's metadata service for the machine's.
    _check(url, "s3://KEY:SECRET@bucket/folder?region=eu-west-1", options, names=-1)
    credentials = {
        "aws_access_key_id": url.user,
        "aws_secret_access_key": url.password,
        "region_name": url.options.get("region"),
        "endpoint_url": url.options.get("endpoint"),
    }
    host, port = "", 0
    if endpoint := url.options.get("endpoint"):
        try:
            parts = urlsplit(endpoint)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            host = ""
        if not host:
            raise InvalidURL("The option endpoint is the address of a service: https://host:port.")
    place = _bucket(url, "S3", "s3", credentials, "dlt[s3]")
    return place._replace(host=host, port=port, location=f"{place.location}?{host}")


def _gs(url: _Parsed) -> DltPlace:
    _check(url, "gs://bucket/folder", {}, names=-1, login=False)
    return _bucket(url, "Google Cloud Storage", "gs", {}, "dlt[gs]")._replace(needs_key=True)


def _az(url: _Parsed) -> DltPlace:
    _check(url, "az://ACCOUNT:KEY@container/folder", {}, names=-1)
    credentials = {"azure_storage_account_name": url.user, "azure_storage_account_key": url.password}
    return _bucket(url, "Azure Blob Storage", "az", credentials, "dlt[az]")


def _bucket(url: _Parsed, title: str, scheme: str, credentials: Mapping[str, Any], extra: str) -> DltPlace:
    bucket = "/".join([url.host, *url.names])
    arguments = {"bucket_url": f"{scheme}://{bucket}", "credentials": credentials}
    return DltPlace(title, "filesystem", arguments, url.location, extra=extra)


_PLACES: Mapping[str, Callable[[_Parsed], DltPlace]] = {
    "dlt+postgresql": _postgres,
    "s3": _s3,
    "gs": _gs,
    "az": _az,
    "bigquery": _bigquery,
    "snowflake": _snowflake,
    "redshift": _redshift,
    "clickhouse": _clickhouse,
    "databricks": _databricks,
    "mssql": _mssql,
    "motherduck": _motherduck,
}
#: Beginnings of the URLs that name a place.
SCHEMES: Final = ("filesystem", *_PLACES)
