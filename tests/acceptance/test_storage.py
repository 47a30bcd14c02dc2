"""A full disk and a database that another program locks: nothing is lost, it says why, and goes on by itself."""

import base64
import json
import re
import resource
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Loop, Place

pytestmark = pytest.mark.acceptance

Eventually = Callable[..., None]
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def identify(url: str, write_key: str, user: str) -> tuple[int, str]:
    """Status and body of the answer to a call."""
    request = urllib.request.Request(
        f"{url}/v1/identify",
        data=json.dumps({"userId": user, "traits": {"email": f"{user}@example.com"}}).encode(),
        headers={
            "content-type": "application/json",
            "authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode(),
        },
    )
    return answer_of(request)


def answer_of(request: Any, opener: Any = urllib.request.build_opener()) -> tuple[int, str]:  # noqa: B008
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def make_user() -> None:
    """Somebody who may log in; in the home that the environment names."""
    program = (
        "from jetbridge.control import database; database.start()\n"
        "from jetbridge.control.people import User; User.objects.create_user('ann@example.com', 'correct horse', 'Ann')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def log_in(url: str) -> tuple[int, str]:
    """Status and page that somebody sees who enters a wrong password; that is counted, so it writes."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    status, page = answer_of(f"{url}/login", opener)
    if status != 200:
        return status, page
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0]
    form = {"csrfmiddlewaretoken": token, "email": "ann@example.com", "password": "a guess"}
    return answer_of(
        urllib.request.Request(f"{url}/login", data=urllib.parse.urlencode(form).encode()), opener
    )


# ---- a disk that is full


@dataclass
class Disk:
    """A small disk of its own, which a process finds full and which gets room again.

    `limited`: no mount is needed. The processes may not let any file grow, which SQLite meets as a disk that fails.
    """

    folder: Path
    limited: bool
    _filler: list[Path] = field(default_factory=list)

    def fill(self, *, leaves: int = 0) -> None:
        """`leaves`: so many bytes stay free."""
        if self.limited:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        for size in (65_536,) if leaves else (65_536, 1):
            path = self.folder / f"fill-{len(self._filler)}"
            self._filler.append(path)
            with suppress(OSError), path.open("wb", buffering=0) as file:
                while not leaves or shutil.disk_usage(self.folder).free > leaves + size:
                    file.write(b"x" * size)

    def started(self) -> None:
        """What is started from now on finds room; what runs does not."""
        if self.limited:
            resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)

    def free(self, *processes: int) -> None:
        for path in self._filler:
            path.unlink()
        for process in processes if self.limited else ():
            resource.prlimit(process, resource.RLIMIT_FSIZE, UNLIMITED)


@contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    """A file system of 24 MB at the folder, if this user may mount one."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["tmpfs", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """JETBRIDGE_HOME is on it. Where nobody may mount anything, the same is still tested by a limit."""
    folder = tmp_path / "disk"
    if request.param == "limit":
        folder.mkdir()
        monkeypatch.setenv("JETBRIDGE_HOME", str(folder / "home"))
        try:
            yield Disk(folder, limited=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
        return
    with mounted(folder) as is_mounted:
        if not is_mounted:
            pytest.skip("This user may not mount a file system; the same is tested by a limit.")
        monkeypatch.setenv("JETBRIDGE_HOME", str(folder / "home"))
        yield Disk(folder, limited=False)


@pytest.fixture
def small(disk: Disk, place: "Place", monkeypatch: pytest.MonkeyPatch) -> "Place":
    monkeypatch.setenv("JETBRIDGE_HOME", str(disk.folder / "home"))
    place.set_up()
    make_user()
    return place


def test_serve_starts_on_a_full_disk_says_so_and_goes_on_by_itself(
    disk: Disk, small: "Place", start_jetbridge: Any, eventually: Eventually
) -> None:
    url, key = small.url, small.write_key
    disk.fill()
    serve = start_jetbridge("serve")
    disk.started()
    serve.wait_for(f"{url}/healthz")
    for number in range(3):
        status, body = identify(url, key, f"u{number}")
        assert (status, json.loads(body)["success"]) == (503, False)
    assert answer_of(f"{url}/readyz")[0] == 503
    status, page = log_in(url)
    assert (status, "Jetbridge cannot work with its files now" in page) == (503, True)
    assert str(disk.folder) not in page + body
    if not disk.limited:
        checked = small.run("doctor")
        assert checked.returncode == 1
        assert "Free space" in checked.stdout + checked.stderr
        assert "Traceback" not in checked.stdout + checked.stderr

    processes = [serve.popen.pid, *_children_of(serve.popen.pid)]
    assert len(processes) == 3
    disk.free(*processes)
    eventually(lambda: identify(url, key, "u9")[0] == 200, "it takes messages")
    eventually(lambda: "u9@example.com" in small.subscribers(), "and delivers them")
    assert log_in(url)[0] == 422
    assert small.subscribers() == {"u9@example.com"}
    assert "Traceback" not in serve.output()
    assert "died" not in serve.output()


def test_serve_goes_on_when_the_disk_becomes_full_under_it(
    disk: Disk, small: "Place", start_jetbridge: Any, eventually: Eventually
) -> None:
    if disk.limited:  # of processes that run already: the same limit, set from outside
        disk.fill = lambda: None  # type: ignore[method-assign]
    url, key = small.url, small.write_key
    serve = start_jetbridge("serve", health=f"{url}/healthz")
    assert identify(url, key, "first")[0] == 200
    eventually(lambda: "first@example.com" in small.subscribers(), "it delivers")
    processes = [serve.popen.pid, *_children_of(serve.popen.pid)]
    for process in processes if disk.limited else ():
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    disk.fill()
    taken: list[str] = []

    def is_refused() -> bool:
        user = f"u{len(taken)}"
        status, _ = identify(url, key, user)
        taken.extend([user] * (status == 200))
        return status == 503

    eventually(is_refused, "there is no room")
    disk.free(*processes)
    eventually(lambda: identify(url, key, "last")[0] == 200, "it takes messages")
    wanted = {f"{user}@example.com" for user in ("first", "last", *taken)}
    eventually(lambda: small.subscribers() == wanted, "all that was taken arrives")
    assert "Traceback" not in serve.output()


def test_engage_goes_on_when_the_disk_becomes_full_under_it(
    disk: Disk, small: "Place", start_jetbridge: Any, eventually: Eventually
) -> None:
    """First it leaves what room there is to messages; with no room at all nothing is taken, and nothing is lost."""
    if disk.limited:
        pytest.skip("A limit leaves no room at all: tests/engage/test_faults.py.")
    url, key = small.url, small.write_key
    definition = disk.folder / "home" / "definition.json"
    definition.write_text(json.dumps({"trait": "email", "op": "exists"}))
    rows = json.loads(small.run("status", "--json").stdout)["destinations"]
    (mailjet,) = [str(row["id"]) for row in rows if row["kind"] == "mailjet"]
    small.jetbridge("audiences", "add", "Known", "--definition", str(definition), "--destination", mailjet)
    serve = start_jetbridge("serve", health=f"{url}/healthz")
    assert identify(url, key, "first")[0] == 200
    eventually(lambda: _known(small, "first") is True, "she is a member")

    disk.fill(leaves=1_500_000)
    eventually(lambda: "ENGAGE_RETRYING" in lights(small), "it waits, and is a light")
    assert "are kept for messages that are taken in and delivered" in lights(small)["ENGAGE_RETRYING"]
    assert identify(url, key, "second")[0] == 200
    eventually(lambda: "second@example.com" in small.subscribers(), "Mailjet has the message all the same")
    assert _known(small, "second") is None

    disk.fill()
    taken: list[str] = []

    def is_refused() -> bool:
        user = f"u{len(taken)}"
        status, _ = identify(url, key, user)
        taken.extend([user] * (status == 200))
        return status == 503

    eventually(is_refused, "there is no room")
    disk.free()
    eventually(lambda: identify(url, key, "last")[0] == 200, "it takes messages")
    for user in ("first", "second", *taken, "last"):
        eventually(lambda user=user: _known(small, user) is True, f"{user} is a member", seconds=120)
    eventually(lambda: lights(small) == {}, "all is well", seconds=90)
    assert "Traceback" not in serve.output()


def test_a_store_of_engage_that_is_written_over_comes_back_by_itself(
    loop: "Loop", home: Path, eventually: Eventually
) -> None:
    """Within a minute, while all else goes on."""
    definition = home / "definition.json"
    definition.write_text(json.dumps({"trait": "email", "op": "exists"}))
    mailjet = str(loop.destination("mailjet")["id"])
    loop.jetbridge("audiences", "add", "Known", "--definition", str(definition), "--destination", mailjet)
    assert identify(loop.url, loop.write_key, "first")[0] == 200
    eventually(lambda: _known(loop, "first") is True, "she is a member")
    (file,) = home.glob("engage-*.db")
    file.write_bytes(bytes(file.stat().st_size))
    assert loop.run("audiences", "members", "Known").returncode == 1
    assert identify(loop.url, loop.write_key, "second")[0] == 200
    eventually(lambda: "ENGAGE_REBUILT" in lights(loop), "it is made anew")
    assert "ENGAGE_DAMAGED" not in lights(loop)
    eventually(lambda: _known(loop, "second") is True, "and goes on")
    members = json.loads(loop.jetbridge("audiences", "members", "Known", "--json"))["items"]
    assert [item["identifiers"][0]["value"] for item in members] == ["first", "second"]
    assert "Traceback" not in loop.output()
    assert "died" not in loop.output()


def _known(place: "Place", user: str) -> object:
    """The audience's property as Mailjet has it; None without one, or without a contact."""
    if f"{user}@example.com" not in place.subscribers():
        return None
    (row,) = place.mailjet.contactdata.get(id=f"{user}@example.com").json()["Data"]
    return {pair["Name"]: pair["Value"] for pair in row["Data"]}.get("known")


def _children_of(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


# ---- a database that another program locks

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the database, as a backup tool does."""
    command = [sys.executable, "-c", LOCKER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            other.kill()


def lights(place: "Place") -> dict[str, str]:
    found = json.loads(place.run("status", "--json").stdout)["lights"]
    return {light["code"]: json.dumps(light) for light in found}


def test_state_db_locked_by_a_backup_tool_is_a_light_and_loses_nothing(
    loop: "Loop", home: Path, eventually: Eventually
) -> None:
    make_user()
    eventually(lambda: lights(loop) == {}, "all is well")
    with locked(home / "state.db"):
        for number in range(5):
            assert identify(loop.url, loop.write_key, f"u{number}")[0] == 200
        eventually(lambda: "DATABASE_LOCKED" in lights(loop), "it is a light")
        assert "another program locks state.db" in lights(loop)["DATABASE_LOCKED"].replace("A", "a")
        checked = loop.run("doctor")
        assert checked.returncode == 1
        assert "FAIL  Another program locks state.db" in checked.stdout
        status, page = log_in(loop.url)
        assert (status, "database is locked" in page) == (503, True)
        # Longer than any statement waits for the lock, so that each thread meets it.
        eventually(lambda: loop.output().count("database is locked") >= 3, "they wait", seconds=100)
        assert identify(loop.url, loop.write_key, "u5")[0] == 200
    loop.settle(seconds=120)
    assert loop.subscribers() == {f"u{number}@example.com" for number in range(6)}
    eventually(lambda: lights(loop) == {}, "all is well again")
    assert "Traceback" not in loop.output()
    assert "died" not in loop.output()
    assert loop.destination("mailjet")["failed"] == 0


@pytest.mark.parametrize("name", ["state.db", "eventlog.db"])
def test_serve_starts_while_a_backup_tool_locks_a_database(
    place: "Place", home: Path, start_jetbridge: Any, eventually: Eventually, name: str
) -> None:
    place.set_up()
    with locked(home / name):
        serve = start_jetbridge("serve", health=f"{place.url}/healthz")
        status, _ = identify(place.url, place.write_key, "u0")
        assert status == (200 if name == "state.db" else 503)
        eventually(lambda: "DATABASE_LOCKED" in lights(place), "it is a light")
    eventually(lambda: identify(place.url, place.write_key, "u1")[0] == 200, "it takes messages")
    eventually(lambda: "u1@example.com" in place.subscribers(), "and delivers them", seconds=100)
    assert ("u0@example.com" in place.subscribers()) == (name == "state.db")
    eventually(lambda: lights(place) == {}, "all is well")
    assert "Traceback" not in serve.output()
    assert "died" not in serve.output()


def test_eventlog_db_locked_by_a_backup_tool_is_a_light_and_loses_nothing(
    loop: "Loop", home: Path, eventually: Eventually
) -> None:
    eventually(lambda: lights(loop) == {}, "all is well")
    with locked(home / "eventlog.db"):
        status, body = identify(loop.url, loop.write_key, "early")
        assert (status, "takes no records now" in body) == (503, True)
        assert answer_of(f"{loop.url}/readyz")[0] == 503  # for half a minute after a refusal
        eventually(lambda: "DATABASE_LOCKED" in lights(loop), "it is a light")
        assert "nother program locks eventlog.db" in lights(loop)["DATABASE_LOCKED"]
    eventually(lambda: identify(loop.url, loop.write_key, "late")[0] == 200, "it takes messages")
    loop.settle()
    assert loop.subscribers() == {"late@example.com"}
    eventually(lambda: lights(loop) == {}, "all is well again")
    assert "Traceback" not in loop.output()


def test_endpoints_come_back_within_a_second_however_often_they_die(
    loop: "Loop", eventually: Eventually
) -> None:
    for _ in range(6):
        before = loop.child("web")
        loop.kill("web")
        eventually(lambda before=before: loop.child("web") != before, "another is started")
    loop.serve.wait_for(f"{loop.url}/healthz")
    pauses = [
        float(each) for each in re.findall(r"^web died .* in ([\d.]+) s\.$", loop.output(), re.MULTILINE)
    ]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
