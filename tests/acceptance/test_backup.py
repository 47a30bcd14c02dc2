"""A backup is made while messages come in and children die; elsewhere it has everything that was acknowledged by then."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import decode

from .crowd import Crowd
from .senders import Senders

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


def test_a_backup_under_load_has_all_that_was_acknowledged_and_delivers_it_once(
    loop: "Loop",
    tmp_path: Path,
    start_jetbridge: Any,
    eventually: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(9)
    crowd = Crowd(100, random.Random(1))
    archive = tmp_path / "backup.tar.gz"
    with Senders(loop.url, loop.write_key, crowd, chance) as senders:
        eventually(lambda: len(senders.acknowledged) > 200, "messages come in")
        loop.kill("web")
        loop.kill("worker")
        eventually(lambda: len(senders.acknowledged) > 400, "more come in")
        before = set(senders.acknowledged)
        done = loop.run("admin", "backup", str(archive))
        assert done.returncode == 0, done.stderr
        loop.kill("worker")
    loop.serve.stop()

    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("JETBRIDGE_HOME", str(elsewhere))
    done = loop.run("admin", "restore", str(archive))
    assert done.returncode == 0, done.stderr
    log = SqliteEventLog(elsewhere / "eventlog.db")
    held = [
        decode(row.body).message_id
        for row in log.read(0, limit=10**6, max_bytes=10**9)
        if row.type == "identify"
    ]
    log.close()
    assert before - set(held) == set()

    serve = start_jetbridge("serve", health=f"{loop.url}/healthz")
    restored = replace(loop, serve=serve)
    deadline = time.monotonic() + 120
    while True:
        status = _status(restored)
        rows = {row["kind"]: row for row in status["destinations"]}
        if not any(row["pending"] for row in rows.values()):
            break
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    assert status["balanced"]
    mailjet = rows["mailjet"]
    # Once: each record of the log came to one end.
    assert mailjet["received"] == len(held)
    assert (mailjet["delivered"], mailjet["failed"]) == (len(held), 0)
    checked = restored.run("doctor")
    assert checked.returncode == 0, checked.stdout


def _status(loop: "Loop") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(loop.jetbridge("status", "--json"))
    return found
