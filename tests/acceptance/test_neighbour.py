"""A Mailjet account that answers nothing delays neither another account nor the endpoints, and loses nothing.

HANG_SECONDS lets it hang for longer; `python -m benchmarks neighbour` measures the same at full speed.
"""

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from mailjet_rest import Client as MailjetClient

from mailjet_sandbox.server import Running, running
from mailjet_sandbox.settings import Settings

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

HANG_SECONDS = float(os.environ.get("HANG_SECONDS", "20"))
PEOPLE = 200
#: Between two bodies to either account, and how long anything may take with a busy machine in between.
PAUSE_SECONDS, LONGEST_SECONDS = 0.1, 5.0


@pytest.fixture
def silent() -> Iterator[Running]:
    with running(Settings(api_key="other", secret_key="other")) as sandbox:
        yield sandbox


def faults(sandbox: Running, method: str, body: Any = None) -> None:
    data = json.dumps(body).encode() if body else None
    urllib.request.urlopen(
        urllib.request.Request(f"{sandbox.url}/sandbox/faults", data, method=method)
    ).close()


def set_up(loop: "Loop", sandbox: Running) -> dict[str, Any]:
    """A second workspace with a Mailjet account of its own, in the same Jetbridge."""
    keys = ("--api-key", "other", "--secret-key", "other", "--list", "Customers", "--create-list")
    where = ("--workspace", "Elsewhere", "--mailjet-url", sandbox.url)
    told: dict[str, Any] = json.loads(loop.jetbridge("setup", *where, *keys, "--json"))
    return told


def send(loop: "Loop", write_key: str, number: int) -> float:
    """News of everybody; the seconds until they were acknowledged."""
    calls = [
        {"type": "identify", "userId": f"u{n}", "traits": {"email": f"p{n}@example.com", "visits": number}}
        for n in range(PEOPLE)
    ]
    body = json.dumps({"writeKey": write_key, "batch": calls}).encode()
    began = time.monotonic()
    urllib.request.urlopen(f"{loop.url}/v1/batch", body, timeout=20).close()
    return time.monotonic() - began


def visits(mailjet: MailjetClient) -> list[int]:
    """What Mailjet holds of everybody it has."""
    rows = mailjet.contactdata.get(filters={"Limit": 1000}).json()["Data"]
    return [each["Value"] for row in rows for each in row["Data"] if each["Name"] == "visits"]


def test_an_account_that_hangs_delays_no_other_and_no_door(
    loop: "Loop", silent: Running, eventually: Any
) -> None:
    other = set_up(loop, silent)
    faults(silent, "POST", {"kind": "hang"})
    number, waits, behind = 0, [], []
    until = time.monotonic() + HANG_SECONDS
    while time.monotonic() < until:
        number += 1
        waits += [send(loop, loop.write_key, number), send(loop, other["write_key"], number)]
        time.sleep(PAUSE_SECONDS)
        if number % 20 == 0:
            behind.append(number - min(visits(loop.mailjet), default=0))

    def hanging() -> dict[str, Any]:
        rows = {row["id"]: row for row in loop.status()["destinations"]}
        return dict(rows[other["destinations"][0]["id"]])

    eventually(lambda: hanging()["unread"] == 0, "its messages are read")
    assert (hanging()["delivered"], hanging()["failed"]) == (0, 0)
    assert hanging()["pending"] == hanging()["received"] == number * PEOPLE
    assert max(waits) < LONGEST_SECONDS
    # Told every five seconds at the least (and a job's time), however long the neighbour hangs.
    assert max(behind) < 3 * LONGEST_SECONDS / PAUSE_SECONDS
    faults(silent, "DELETE")
    loop.settle(seconds=120)
    theirs = MailjetClient(auth=("other", "other"), version="v3", api_url=silent.url)
    assert visits(theirs) == visits(loop.mailjet) == [number] * PEOPLE
    theirs.close()
    assert loop.status()["balanced"]
