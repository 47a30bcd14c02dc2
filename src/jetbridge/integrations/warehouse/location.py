"""Where a warehouse is: what its `url` may name, and the database behind it.

Editors type it, and Jetbridge opens it from inside the operator's network and disk: so files are in folders that the operator has named,
and hosts are in networks of their own, judged by what they resolve to when they are connected to.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from django.conf import settings

from jetbridge.config import Config
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.errors import PauseError, TransientError
from jetbridge.http.addresses import (
    ADDRESS_NOT_ALLOWED,
    LOOPBACK,
    MOST_MACHINES,
    PRIVATE,
    any_machines,
    kind_of,
)
from jetbridge.integrations.setting import MASK
from jetbridge.integrations.warehouse.database import Database, InvalidURL
from jetbridge.integrations.warehouse.dlt_database import Dlt
from jetbridge.integrations.warehouse.dlt_places import SCHEMES, DltPlace, parse_dlt_url
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.models import FileOwner
from jetbridge.integrations.warehouse.postgres import CONNECT_SECONDS, PostgreSQL
from jetbridge.text import for_editors

KIND: Final = "warehouse"
VARIABLE: Final = "JETBRIDGE_WAREHOUSE_NETWORKS"
_DLT_FOLDER = ".dlt"
_SSL_MODES = ("disable", "prefer", "require", "verify-full")
_EXAMPLES = (
    "postgresql://user:password@host:5432/database, duckdb:///folder/file.duckdb or filesystem:///folder"
)


class File(NamedTuple):
    path: Path


class Server(NamedTuple):
    """`parameters` are libpq's."""

    host: str
    port: int
    parameters: dict[str, str | int]


Place = File | Server | DltPlace


def parse_url(url: str) -> Place:
    """What a URL names. Looks nothing up, but where links lead to. Raises InvalidURL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidURL(f"This is no address. Enter one such as {_EXAMPLES}.") from None
    if parts.scheme == "duckdb":
        return _parse_file(parts)
    if parts.scheme in {"postgresql", "postgres"}:
        return _parse_server(parts, port or 5432)
    if place := parse_dlt_url(parts, _allowed_path):
        return place
    schemes = ", ".join(f"{scheme}://" for scheme in ("duckdb", "postgresql", *SCHEMES))
    raise InvalidURL(f"A warehouse's URL begins with {schemes}. Enter one such as {_EXAMPLES}.")


def _parse_file(parts: SplitResult) -> File:
    if parts.netloc or parts.query or parts.fragment or not parts.path.strip("/") or "\0" in parts.path:
        raise InvalidURL("A file is named by three slashes and its path: duckdb:///folder/file.duckdb.")
    return File(_allowed_path(parts.path))


def _allowed_path(text: str) -> Path:
    """The path of a URL, if it is below a folder for warehouses. Raises InvalidURL."""
    path = Path(unquote(text)).resolve()
    own = warehouse_folder().resolve()
    folders = [own, *(folder.resolve() for folder in _config().warehouse_dirs)]
    if not any(path.is_relative_to(folder) and path != folder for folder in folders):
        allowed = ", ".join(map(str, folders))
        raise InvalidURL(
            f"It has to be in {allowed}. Who operates Jetbridge can allow other folders: JETBRIDGE_WAREHOUSE_DIRS."
        )
    if path.is_relative_to(own) and path.relative_to(own).parts[0].endswith(_DLT_FOLDER):
        raise InvalidURL("Jetbridge keeps there what it knows of another warehouse. Enter another folder.")
    return path


def _parse_server(parts: SplitResult, port: int) -> Server:
    database = unquote(parts.path.removeprefix("/"))
    if not parts.hostname or "," in parts.netloc or not parts.username or not database or "/" in database:
        raise InvalidURL("Name user, host and database: postgresql://user:password@host:5432/database.")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := options.keys() - {"sslmode"}:
        raise InvalidURL(f"The only option is sslmode; remove {min(unknown)[:40]!r}.")
    mode = options.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise InvalidURL(f"sslmode is one of {', '.join(_SSL_MODES)}.")
    parameters: dict[str, str | int] = {
        "host": parts.hostname,
        "port": port,
        "user": unquote(parts.username),
        "password": unquote(parts.password or ""),
        "dbname": database,
        "sslmode": mode,
    }
    if mode == "verify-full":
        parameters["sslrootcert"] = "system"
    if any("\0" in str(value) for value in parameters.values()):
        raise InvalidURL("User, password and database have no NUL.")
    return Server(parts.hostname, port, parameters)


def place_of(destination: int, url: str) -> Place:
    """Where a destination with this URL is; "" is its own file. Raises InvalidURL."""
    return parse_url(url) if url else File(default_file(destination))


def is_only_written(destination: int) -> bool:
    """Whether Jetbridge writes a warehouse and does not read it."""
    ref = directory.destination(destination)
    try:
        return ref is not None and isinstance(place_of(destination, ref.secrets.get("url", "")), DltPlace)
    except InvalidURL:
        return False


def url_problem(url: str) -> str:
    """Why this names no warehouse; "" if it does."""
    try:
        parse_url(url)
    except InvalidURL as error:
        return str(error)
    return ""


def shown_url(url: str) -> str:
    """A URL without its password."""
    try:
        parts = urlsplit(url)
        if parts.password is None:
            return url
        user = f"{parts.username}:{MASK}@"
    except ValueError:
        return MASK
    return parts._replace(netloc=user + parts.netloc.rpartition("@")[2]).geturl()


def key_problem(key: str) -> str:
    """Why this is no key of a service account; "" if it is."""
    try:
        fields = json.loads(key)
        is_key = isinstance(fields, dict) and {"project_id", "client_email", "private_key"} <= fields.keys()
    except (ValueError, RecursionError):
        is_key = False
    return "" if is_key else "This is no JSON key of a Google service account. Paste the whole file."


def open_database(ref: DestinationRef, url: str, key: str = "") -> Database:
    """The database that a destination loads. `key` is the setting. Connects to nothing. Raises PauseError."""
    try:
        place = place_of(ref.id, url)
    except InvalidURL as error:
        raise PauseError("INVALID_SETTINGS", f"Database URL: {error}") from None
    if isinstance(place, Server):
        return PostgreSQL(place.parameters, partial(find_addresses, place.host, place.port))
    if place.path and any(_overlap(place, place.path, other) for other in _places_of_others(ref)):
        what = "file" if isinstance(place, File) else "folder"
        raise PauseError(
            "INVALID_SETTINGS", f"Database URL: the {what} is that of another warehouse. Enter another one."
        )
    if isinstance(place, File) and _is_default_file(place.path) and place.path.stem != str(ref.id):
        # Of one that was removed: another workspace must not see its tables.
        raise PauseError(
            "INVALID_SETTINGS",
            f"Database URL: {place.path.name} is named like the own file of a warehouse. Have the operator rename it, then "
            "enter its new name.",
        )
    if place.path and _is_of_another_workspace(place.path, ref.workspace):
        what = "file" if isinstance(place, File) else "folder"
        raise PauseError(
            "INVALID_SETTINGS",
            f"Database URL: another workspace has made the {what} {place.path.name}, for a warehouse that was removed. Enter another "
            "one, or have the operator rename it, then enter its new name.",
        )
    if isinstance(place, File):
        return DuckDB(place.path)
    if place.needs_key:
        if not key:
            raise PauseError(
                "INVALID_SETTINGS", f"Key: {place.title} needs the JSON key of a service account."
            )
        place = place.with_key(key)
    return Dlt(
        place, dlt_folder(ref.id), partial(find_addresses, place.host, place.port) if place.host else tuple
    )


def own_files(ref: DestinationRef, url: str) -> None:
    """Remember whose the file or folder is that a destination is about to load, if it is in one."""
    place = place_of(ref.id, url)
    if not isinstance(place, Server) and place.path:
        FileOwner.objects.update_or_create(
            path=str(place.path.resolve()), defaults={"workspace_id": ref.workspace}
        )


def _is_of_another_workspace(path: Path, workspace: int) -> bool:
    """Whether another workspace has made it, or what is in it. What is not there any more is nobody's."""
    path = path.resolve()
    for owner in FileOwner.objects.exclude(workspace_id=workspace):
        other = Path(owner.path)
        if (path == other or path in other.parents or other in path.parents) and other.exists():
            return True
    return False


def default_file(destination: int) -> Path:
    return warehouse_folder() / f"{destination}.duckdb"


def _is_default_file(path: Path) -> bool:
    return path.parent == warehouse_folder().resolve() and path.suffix == ".duckdb" and path.stem.isdecimal()


def dlt_folder(destination: int) -> Path:
    """What Jetbridge knows of a warehouse that is loaded through dlt."""
    return warehouse_folder() / f"{destination}{_DLT_FOLDER}"


def file_url(path: Path) -> str:
    return f"duckdb://{quote(str(path))}"


def warehouse_folder() -> Path:
    return _config().home / "warehouses"


def _places_of_others(ref: DestinationRef) -> list[File | DltPlace]:
    """Files and folders that nobody else may have: those of other workspaces, those that destinations have by default, and folders of files."""
    places: list[File | DltPlace] = []
    for other in directory.all_destinations():
        if other.kind != KIND or other.id == ref.id:
            continue
        url = other.secrets.get("url", "")
        try:
            place = parse_url(url) if url else File(default_file(other.id).resolve())
        except InvalidURL:
            continue
        is_taken = not url or other.workspace != ref.workspace or isinstance(place, DltPlace)
        if not isinstance(place, Server) and is_taken:
            places.append(place)
    return places


def _overlap(place: File | DltPlace, path: Path, other: File | DltPlace) -> bool:
    if other.path is None or (isinstance(place, File) and isinstance(other, File)):
        return path == other.path
    return path.is_relative_to(other.path) or other.path.is_relative_to(path)


def find_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of a database's host that may be connected to. Raises PauseError if there are none, or TransientError."""
    try:
        machines = any_machines(host, port, CONNECT_SECONDS)
    except OSError as error:
        raise TransientError(
            "WAREHOUSE_UNAVAILABLE", f"{host} is not found: {for_editors(str(error))}."
        ) from None
    allowed = _config().warehouse_networks
    good = []
    for machine in machines:
        kind = kind_of(machine.address)
        is_listed = host.lower() in allowed.hosts or any(
            machine.address in network for network in allowed.networks
        )
        if kind in {"", LOOPBACK, PRIVATE} and (is_listed or not any(allowed)):
            good.append(str(machine.address))
    if not good:
        where = for_editors(f"{host} ({machines[0].address})")
        raise PauseError(
            ADDRESS_NOT_ALLOWED,
            f"Jetbridge does not connect to {where}. Enter the address of a database, or have the operator add it to "
            f"{VARIABLE} and start Jetbridge again.",
        )
    return good[:MOST_MACHINES]


def _config() -> Config:
    config: Config = settings.CONFIG
    return config
