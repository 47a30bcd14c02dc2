"""The event log is removed, put back from an older copy, or damaged, under a Jetbridge that runs: nothing is swallowed."""

import itertools
import json
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.delivery.models import ConsumerOffset
from jetbridge.eventlog.sqlite import SCHEMA
from jetbridge.source_schema.models import NameRow

from .test_lights import codes, send

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

Eventually = Callable[..., None]


def remove(home: Path) -> None:
    for path in home.glob("eventlog.db*"):
        path.unlink()


def settled(loop: "Loop", emails: int) -> None:
    loop.settle(seconds=120)
    assert loop.subscribers() >= {f"u{n}@example.com" for n in range(emails)}
    status = loop.status()
    assert status["balanced"]
    assert [row["pending"] for row in status["destinations"]] == [0, 0]
    positions = ConsumerOffset.objects.filter(consumer__startswith="destination:").values_list(
        "position", flat=True
    )
    while ConsumerOffset.objects.get(consumer="schema").position < max(positions):  # it is in no hurry
        time.sleep(0.05)


def test_a_log_that_is_removed_while_it_runs(loop: "Loop", home: Path, eventually: Eventually) -> None:
    """Was: 200 of 200 acknowledged messages never delivered, and balanced."""
    send(loop, 300)
    settled(loop, 300)
    remove(home)
    send(loop, 200)  # acknowledged
    eventually(lambda: held("schema") and "LOG_REPLACED" in codes(loop), "its readers are held")
    checked = loop.run("doctor")
    assert checked.returncode == 1
    assert "is paused (LOG_REPLACED)" in checked.stdout
    assert "The reader schema is paused (LOG_REPLACED)" in checked.stdout
    send(loop, 210)
    done = loop.run("admin", "reset-positions", "--to", "earliest")
    assert done.returncode == 0, done.stderr
    eventually(lambda: codes(loop) == set(), "no light is left")
    settled(loop, 210)
    assert loop.destination("mailjet")["received"] == 300 + 200 + 210
    assert "Traceback" not in loop.output()


def test_a_backup_is_made_while_readers_are_paused_and_brings_just_that_back(
    loop: "Loop",
    *,
    home: Path,
    tmp_path: Path,
    start_jetbridge: Any,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Was refused, to somebody who wants a copy before he tries a way out."""
    send(loop, 60)
    settled(loop, 60)
    remove(home)
    send(loop, 80)
    eventually(lambda: "LOG_REPLACED" in codes(loop), "its readers are held")
    archive = tmp_path / "backup.tar.gz"
    done = loop.run("admin", "backup", str(archive))
    assert done.returncode == 0, done.stderr
    (row,) = [each for each in loop.status()["destinations"] if each["kind"] == "mailjet"]
    assert f"destination:{row['id']} (LOG_REPLACED)" in done.stdout
    assert "schema (LOG_REPLACED)" in done.stdout
    loop.serve.stop()

    monkeypatch.setenv("JETBRIDGE_HOME", str(tmp_path / "elsewhere"))
    restored = loop.run("admin", "restore", str(archive))
    assert restored.returncode == 0, restored.stderr
    assert f"destination:{row['id']} (LOG_REPLACED)" in restored.stdout
    start_jetbridge("serve", health=f"{loop.url}/healthz")

    def status() -> Any:
        return json.loads(loop.jetbridge("status", "--json"))

    def lights() -> set[str]:
        return {light["code"] for light in status()["lights"]}

    eventually(lambda: lights() == {"LOG_REPLACED"}, "they are held again")
    assert loop.run("admin", "reset-positions", "--to", "earliest", "--yes").returncode == 0
    eventually(lambda: lights() == set(), "no light is left")
    eventually(lambda: not any(each["pending"] for each in status()["destinations"]), "all is delivered")
    assert loop.subscribers() >= {f"u{n}@example.com" for n in range(80)}
    assert status()["balanced"]


def test_an_older_copy_is_put_back_while_it_stands_still(
    loop: "Loop", home: Path, tmp_path: Path, start_jetbridge: Any, eventually: Eventually
) -> None:
    send(loop, 50)
    settled(loop, 50)
    loop.serve.popen.send_signal(signal.SIGTERM)
    assert loop.serve.popen.wait(60) == 0
    shutil.copy(home / "eventlog.db", tmp_path / "older.db")
    loop.serve = start_jetbridge("serve", health=f"{loop.url}/healthz")
    send(loop, 150)
    settled(loop, 150)
    loop.serve.stop()
    remove(home)
    shutil.copy(tmp_path / "older.db", home / "eventlog.db")
    loop.serve = start_jetbridge("serve", health=f"{loop.url}/healthz")
    eventually(lambda: "LOG_BEHIND" in codes(loop), "its readers are held")
    send(loop, 400)  # past where they stood
    assert {"LOG_BEHIND", "LOG_REPLACED"} & codes(loop)
    assert loop.run("admin", "reset-positions", "--to", "earliest").returncode == 0
    settled(loop, 400)
    eventually(lambda: codes(loop) == set(), "no light is left")
    assert NameRow.objects.get(type="identify", name="").total == 50 + 150 + 400  # was: 50 of them twice


def test_an_older_copy_is_put_back_while_no_worker_reads(
    loop: "Loop", home: Path, tmp_path: Path, start_jetbridge: Any, eventually: Eventually
) -> None:
    """Was unnoticed: all readers stood within the copy, and 150 acknowledged messages were gone in silence."""
    send(loop, 50)
    settled(loop, 50)
    loop.serve.stop()
    shutil.copy(home / "eventlog.db", tmp_path / "older.db")
    web = start_jetbridge("web", health=f"{loop.url}/healthz")
    send(loop, 150)
    eventually(
        lambda: ConsumerOffset.objects.get(consumer="log").position >= 200, "the end of the log is known"
    )
    web.stop()
    remove(home)
    shutil.copy(tmp_path / "older.db", home / "eventlog.db")
    loop.serve = start_jetbridge("serve", health=f"{loop.url}/healthz")
    eventually(lambda: "LOG_BEHIND" in codes(loop), "it is noticed that the log has lost its end")
    assert "FAIL  The event log has lost messages that it had taken (LOG_BEHIND)" in loop.run("doctor").stdout
    assert held() == held("log") == {"LOG_BEHIND"}, "its readers go on"
    assert loop.run("admin", "reset-positions", "--to", "latest").returncode == 0
    eventually(lambda: codes(loop) == set(), "no light is left")
    send(loop, 10)
    settled(loop, 10)


def held(reader: str = "") -> set[str]:
    """Codes of holds, of all readers or one. The log itself may be no database, for a moment."""
    rows = ConsumerOffset.objects.exclude(pause_code="")
    return set((rows.filter(consumer=reader) if reader else rows).values_list("pause_code", flat=True))


PADDING = "x" * 20_000


def ask(loop: "Loop", number: int, part: str) -> int:
    """Send identifies that fill pages; the status."""
    batch = [
        {
            "type": "identify",
            "userId": f"{part}{n}",
            "traits": {"email": f"{part}{n}@example.com"},
            "context": {"p": PADDING},
        }
        for n in range(number)
    ]
    body = json.dumps({"writeKey": loop.write_key, "batch": batch}).encode()
    request = urllib.request.Request(
        f"{loop.url}/v1/batch", data=body, headers={"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def overwrite(home: Path, copy: Path) -> None:
    """As `cp` does: the file stays the same one, and gets another content."""
    inode = (home / "eventlog.db").stat().st_ino
    subprocess.run(["cp", str(copy), str(home / "eventlog.db")], check=True)
    assert (home / "eventlog.db").stat().st_ino == inode


@pytest.mark.parametrize("how", ["copy", "backup", "another"])
def test_a_log_that_is_overwritten_in_place_takes_nothing_that_is_lost(
    loop: "Loop", *, home: Path, tmp_path: Path, start_jetbridge: Any, eventually: Eventually, how: str
) -> None:
    """Each message is refused, or is there afterwards; and it is noticed at once, not by the next look in 5 s."""
    assert ask(loop, 20, "first") == 200
    loop.settle(seconds=120)
    copy = tmp_path / "older.db"
    if how == "copy":
        loop.serve.stop()
        shutil.copy(home / "eventlog.db", copy)
        loop.serve = start_jetbridge("serve", health=f"{loop.url}/healthz")
    else:
        with closing(sqlite3.connect(home / "eventlog.db" if how == "backup" else tmp_path / "x.db")) as at:
            if how == "another":
                at.executescript(SCHEMA + "INSERT INTO identity VALUES ('another');")
            with closing(sqlite3.connect(copy)) as to:
                at.backup(to)
    for _ in range(30):  # so much that it is moved from the write-ahead log into the file, again and again
        assert ask(loop, 20, "second") == 200
    loop.settle(seconds=120)

    acknowledged: list[str] = []
    statuses: list[int] = []
    ended = threading.Event()

    def send_on() -> None:
        for number in itertools.count():
            if ended.is_set():
                return
            begun = time.monotonic()
            statuses.append(ask(loop, 1, f"on{number}-"))
            if statuses[-1] == 200 and begun > overwritten_at + 0.5:
                acknowledged.append(f"on{number}-0@example.com")

    overwritten_at = float("inf")
    sender = threading.Thread(target=send_on)
    sender.start()
    try:
        eventually(lambda: len(statuses) > 20, "it is under load")
        overwrite(home, copy)
        overwritten_at = time.monotonic()
        eventually(lambda: {"LOG_BEHIND", "LOG_REPLACED"} & held(), "its readers are held")
        held_after = time.monotonic() - overwritten_at
        eventually(lambda: len(acknowledged) > 20, "messages are accepted again")
    finally:
        ended.set()
        sender.join(30)
    assert set(statuses) == {200, 503}
    assert held_after < 4.5  # of which the log is left alone for two seconds, until the copy is complete
    assert loop.run("admin", "reset-positions", "--to", "earliest").returncode == 0
    loop.settle(seconds=120)
    assert loop.subscribers() >= set(acknowledged)
    assert loop.status()["balanced"]
    eventually(lambda: codes(loop) == set(), "no light is left")
    assert "Traceback" not in loop.output()
    assert "eventlog.db is whole" in loop.run("doctor").stdout


def test_a_damaged_page_is_seen_and_gone_past(
    loop: "Loop", home: Path, start_jetbridge: Any, eventually: Eventually
) -> None:
    loop.serve.stop()
    web = start_jetbridge("web", health=f"{loop.url}/healthz")  # without a worker the log grows
    send(loop, 600)
    web.stop()
    _damage(home / "eventlog.db")
    loop.serve = start_jetbridge("serve", health=f"{loop.url}/healthz")
    eventually(lambda: "LOG_DAMAGED" in codes(loop), "its readers are held", seconds=90)
    checked = loop.run("doctor")
    assert checked.returncode == 1
    assert "eventlog.db is damaged" in checked.stdout
    assert "is paused (LOG_DAMAGED)" in checked.stdout
    (row,) = [each for each in loop.status()["destinations"] if each["kind"] == "mailjet"]
    assert row["state"] == "paused"
    assert row["delivered"] + row["pending"] > 0
    loop.serve.stop()
    done = loop.run("admin", "recover-log", "--yes")
    assert done.returncode == 0, done.stderr
    loop.serve = start_jetbridge("serve", health=f"{loop.url}/healthz")
    eventually(lambda: codes(loop) == set(), "no light is left", seconds=90)
    loop.settle(seconds=120)
    row = loop.destination("mailjet")
    lost = row["reasons"]["failed"]["LOST_FROM_LOG"]
    assert 0 < lost < 100
    assert (row["received"], row["delivered"]) == (600, 600 - lost)


def _damage(path: Path) -> None:
    content = path.read_bytes()
    pages = [page for page in range(1, len(content) // 4096) if content[page * 4096] == 13]
    with path.open("r+b") as file:
        file.seek(pages[len(pages) * 2 // 3] * 4096)
        file.write(b"\xff" * 4096)
