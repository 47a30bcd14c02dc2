"""Faults of the machine pause Engage: it says why, loses nothing, and goes on by itself."""

import os
import resource
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from jetbridge.control import storage
from jetbridge.delivery.isolation import STORAGE_UNAVAILABLE
from jetbridge.engage import store
from jetbridge.engage.consumer import EngageReader
from jetbridge.engage.lights import lights
from jetbridge.errors import TransientError

from .bench import EngageBench

PRO = {"trait": "plan", "op": "=", "value": "pro"}


@pytest.fixture
def small_disk(bench: EngageBench, tmp_path: Path) -> Iterator[Path]:
    """The store alone is on a file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("This user may not mount a file system.")
    bench.file.symlink_to(folder / bench.file.name)
    yield folder
    bench.crash()
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def locked(bench: EngageBench) -> Iterator[None]:
    with closing(sqlite3.connect(bench.file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def failing(_: EngageBench) -> Iterator[None]:
    """No write of this process succeeds: to SQLite an I/O error."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def full(bench: EngageBench) -> Iterator[None]:
    filler = bench.file.resolve().with_name("filler")
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(b"x" * 4_096):
            pass
    yield
    filler.unlink()


@contextmanager
def read_only(bench: EngageBench) -> Iterator[None]:
    folder = str(bench.file.resolve().parent)
    bench.crash()  # a file system on which files are open for writing stays writable
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


@contextmanager
def forbidden(bench: EngageBench) -> Iterator[None]:
    if os.geteuid() == 0:
        pytest.skip("Root may do everything; a read-only file system is tested.")
    bench.crash()
    bench.file.chmod(0)
    yield
    bench.file.chmod(0o600)


@pytest.mark.parametrize("fault", [locked, failing, forbidden])
def test_it_waits_while_the_store_cannot_be_written(
    bench: EngageBench,
    fault: Callable[[EngageBench], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    _waits_and_goes_on(bench, fault)


@pytest.mark.parametrize("fault", [full, read_only])
def test_it_waits_while_the_disk_takes_nothing(
    bench: EngageBench, small_disk: Path, fault: Callable[[EngageBench], AbstractContextManager[None]]
) -> None:
    _waits_and_goes_on(bench, fault)


def _waits_and_goes_on(
    bench: EngageBench, fault: Callable[[EngageBench], AbstractContextManager[None]]
) -> None:
    bench.define("pro", PRO)
    bench.identify("u0", plan="pro")
    bench.run()
    for number in range(1, 100):
        bench.identify(f"u{number}", plan="pro", text="x" * 1_000)
    users = [f"u{number}" for number in range(100)]
    with fault(bench):
        reader = EngageReader(bench.space, bench.log, bench._engine)
        for _ in range(3):
            with pytest.raises(TransientError) as raised:
                for _ in range(100):
                    reader._turn()
            assert raised.value.code == STORAGE_UNAVAILABLE
            assert "Nothing is lost" in str(raised.value)
            assert str(bench.file.parent) not in str(raised.value)
    for _ in range(10):
        reader._turn()
    reader._close()
    bench._engine = None
    assert bench.members("pro") == set(users)
    assert sorted(bench.sent("pro")) == sorted((user, True) for user in users), "each once"


def test_a_pause_is_a_light_that_goes_out_by_itself(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    bench.define("pro", PRO)
    bench.identify("u1", plan="pro")
    bench.run()
    bench.crash()
    stop = threading.Event()

    def body() -> None:
        try:
            EngageReader(bench.space, bench.log).run(stop)
        finally:
            connections.close_all()

    def shown() -> dict[str, str]:
        return {light.code: light.fix for light in lights(bench.log, datetime.now(UTC))}

    thread = threading.Thread(target=body)
    with locked(bench):
        bench.identify("u2", plan="pro")
        thread.start()
        eventually(lambda: "ENGAGE_RETRYING" in shown(), "it is a light")
        assert "database is locked" in shown()["ENGAGE_RETRYING"]
    try:
        eventually(lambda: bench.members("pro") == {"u1", "u2"}, "it goes on")
        eventually(lambda: "ENGAGE_RETRYING" not in shown(), "the light goes out")
    finally:
        stop.set()
        thread.join(60)


def test_it_leaves_the_last_of_the_disk_to_messages(
    bench: EngageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.define("pro", PRO)
    bench.identify("u1", plan="pro")
    reader = EngageReader(bench.space, bench.log)
    monkeypatch.setattr(storage, "LEAST_RESERVE_BYTES", 1 << 60)
    monkeypatch.setattr(storage, "MOST_RESERVE_BYTES", 1 << 60)
    with pytest.raises(
        TransientError, match=r"only [0-9,.]+ MB of the disk are free, and [0-9,.]+ MB are kept"
    ):
        reader._turn()
    assert not bench.file.exists()
    monkeypatch.undo()
    for _ in range(10):
        reader._turn()
    reader._close()
    assert bench.members("pro") == {"u1"}
