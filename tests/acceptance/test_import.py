"""A large file is imported by real processes: the worker is killed in the middle of it, and no row is lost."""

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings

from jetbridge.control import api_tokens
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role, User
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import decode

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance]

ROWS = 60_000
#: Larger than what a request may have that is no upload.
FILE = b"userId,email,zip,note\n" + b"".join(
    b"u%d,person%d@example.com,%05d,%b\n" % (n, n, n, b"as long as a note may be " * 2) for n in range(ROWS)
)


def test_a_worker_that_is_killed_while_it_imports_goes_on_and_no_row_is_lost(
    loop: "Loop", eventually: Any
) -> None:
    workspace = Workspace.objects.get()
    owner = User.objects.create_user(email="olga@example.com", password="a bridge of boats")
    Membership.objects.create(user=owner, workspace=workspace, role=Role.OWNER)
    _, token = api_tokens.make(workspace, owner, "Tests", Role.OWNER)
    source = workspace.sources.get(kind="http")
    source.destinations.clear()  # what becomes of messages is not the matter here

    def api(method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        request = urllib.request.Request(
            f"{loop.url}/api/v1/sources/{source.id}/imports{path}",
            body if method == "POST" else None,
            method=method,
            headers={"authorization": f"Bearer {token}", "content-type": "application/octet-stream"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            made: dict[str, Any] = json.loads(response.read())
            return made

    one = f"/{api('POST', '?name=people.csv', FILE + b'nobody,bob@,0,x')['id']}"
    eventually(lambda: api("GET", one)["state"] == "ready", "the preview", seconds=120)
    assert {key: api("GET", one)[key] for key in ("accepted", "rejected")} == {
        "accepted": ROWS,
        "rejected": 1,
    }

    api("POST", f"{one}/confirm")
    for share in (0.1, 0.5):
        while (made := api("GET", one))["state"] == "running" and made["accepted"] < share * ROWS:
            time.sleep(0.01)
        if made["state"] == "running":
            loop.kill("worker")
    eventually(lambda: api("GET", one)["state"] == "ended", "the end", seconds=180)
    assert {key: api("GET", one)[key] for key in ("accepted", "rejected")} == {
        "accepted": ROWS,
        "rejected": 1,
    }

    log = SqliteEventLog(settings.CONFIG.log_path)
    people: dict[str | None, str] = {}
    position = records = 0
    while read := log.read(position):
        position = read[-1].position
        for record in read:
            records += record.source == source.id
            message = decode(record.body)
            people[message.user_id] = message.message_id
    log.close()
    assert set(people) == {f"u{n}" for n in range(ROWS)}
    # What a dying worker had appended and not yet written down comes twice, as the same messages.
    assert ROWS <= records <= ROWS + 2 * 1_000
