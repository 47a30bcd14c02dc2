"""Web and worker die by `kill -9` at a hundred random moments, beside a Mailjet that fails in every way it can.

CRASH_SEED repeats the choices of a run (its moments are the machine's), CRASH_DEATHS asks for more or fewer.
"""

import itertools
import json
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from jetbridge.delivery import ledger
from jetbridge.delivery.models import destination_consumer
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import decode

from .crowd import SUBSCRIBED, UNSUBSCRIBED, Contact, Crowd, OptOuts
from .mortal import Mortal
from .senders import Senders

if TYPE_CHECKING:
    from conftest import Place

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

DEATHS = int(os.environ.get("CRASH_DEATHS", "100"))
SEED = os.environ.get("CRASH_SEED", "1")
PEOPLE = 300
#: The longest life, in times of what a start takes; an average one is half as long.
LONGEST_LIFE = 3.0
#: Campaigns sent meanwhile, to everybody who is subscribed then.
CAMPAIGNS = 3

TELLING, JOBS = "POST contact*", "POST *managemanycontacts"
FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "seconds": 0.01, "to_seconds": 0.2, "rate": 0.3},
    {"kind": "status", "status": 429, "rate": 0.02},
    {"kind": "status", "status": 429, "retry_after": 1, "rate": 0.02},
    {"kind": "status", "status": 503, "body": "html", "rate": 0.04},
    {"kind": "status", "status": 500, "rate": 0.03, "when": "after", "endpoint": TELLING},
    {"kind": "reset", "rate": 0.03},
    {"kind": "reset", "rate": 0.04, "when": "after", "endpoint": TELLING},
    {"kind": "corrupted_response", "body": "truncated", "rate": 0.04, "when": "after"},
    {"kind": "job_error", "rate": 0.05, "endpoint": JOBS},
    {"kind": "job_error", "rate": 0.05, "when": "after", "endpoint": JOBS},
    {"kind": "job_stuck", "seconds": 1, "rate": 0.1, "endpoint": JOBS},
    {"kind": "job_stuck", "seconds": 1, "rate": 0.1, "when": "after", "endpoint": JOBS},
    {"kind": "row_errors", "share": 0.03, "rate": 0.2, "endpoint": JOBS},
    {"kind": "row_errors", "share": 0.03, "rate": 0.1, "when": "after", "endpoint": JOBS},
    {"kind": "late_properties", "seconds": 1.5},
    {"kind": "duplicate_events", "rate": 0.2, "seconds": 0.3},
    {"kind": "reordered_events", "rate": 0.3, "seconds": 0.7},
]


def test_a_hundred_deaths_lose_nothing_and_make_nothing_wrong(
    place: "Place", home: Path, tmp_path: Path
) -> None:
    _say(f"CRASH_SEED={SEED}")
    chance = random.Random(SEED)
    place.set_up()
    place.sandbox("POST", "/sandbox/faults", {"faults": FAULTS})
    crowd = Crowd(PEOPLE, random.Random(chance.random()))
    with (
        Senders(place.url, place.write_key, crowd, random.Random(chance.random())) as senders,
        Mortal("web", tmp_path / "web.log", lambda: senders.taken) as web,
        Mortal("worker", tmp_path / "worker.log", lambda: _position(place)) as worker,
    ):
        _kill_both(place, web, worker, chance)
        senders.finish()
        place.sandbox("DELETE", "/sandbox/faults")
        _until_all_events_are_here(place)
        place.settle(seconds=120)
        _until_no_light_is_on(place)
        assert "FAIL" not in place.jetbridge("doctor")  # which ends with status 1 if anything fails
        _assert_the_account_is_balanced(place)

    at_work = web.deaths_at_work + worker.deaths_at_work
    _say(
        f"{at_work} of {DEATHS} deaths came at work, {len(senders.acknowledged)} messages, {senders.lost} tries lost"
    )
    assert at_work >= DEATHS / 4  # on a busy machine many lives end before they begin to work
    assert (web.ended_by_itself, worker.ended_by_itself, senders.strange) == ([], [], [])
    assert [line for line in worker.output().splitlines() if "unexpectedly" in line] == []
    assert senders.acknowledged - _logged(home) == set()
    _assert_contacts_are_right(place, crowd)


def _say(line: str) -> None:
    print(line)  # noqa: T201 - shown if the test fails


def _position(place: "Place") -> int:
    """How far the worker has read for Mailjet. From any thread."""
    try:
        return ledger.position(destination_consumer(place.setup["destinations"][0]["id"]))
    finally:
        connection.close()


def _kill_both(place: "Place", web: Mortal, worker: Mortal, chance: random.Random) -> None:
    # Both, before either dies: the worker is at work when the web process has taken something.
    starts = [mortal.time_its_start() for mortal in (web, worker)]
    _say(f"starts take {starts} s")
    for mortal, start in zip((web, worker), starts, strict=True):
        mortal.kill(DEATHS // 2, random.Random(chance.random()), LONGEST_LIFE * start)
    for number in range(CAMPAIGNS):
        while worker.deaths < DEATHS // 2 * (number + 1) // (CAMPAIGNS + 1):
            time.sleep(0.1)
        how = {"unsub": 0.03, "spam": 0.02, "bounce": 0.03, "seed": chance.randrange(1000)}
        campaign = {"list_id": place.setup["list_id"], "subject": f"News {number}", **how}
        _say(f"a campaign: {place.sandbox('POST', '/sandbox/campaigns', campaign).decode()}")
    web.wait()
    worker.wait()


def _events(place: "Place") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.sandbox("GET", "/sandbox/events?limit=1000"))
    return found


def _until_all_events_are_here(place: "Place") -> None:
    deadline = time.monotonic() + 120
    while _events(place)["pending"]:
        assert time.monotonic() < deadline, _events(place)
        time.sleep(0.1)


def _until_no_light_is_on(place: "Place") -> None:
    """A worker that died so often is watched for two minutes of life."""
    deadline = time.monotonic() + 240
    while place.status()["health"] != "ok":
        assert time.monotonic() < deadline, place.status()["lights"]
        time.sleep(1)


def _logged(home: Path) -> set[str]:
    """Ids of the messages in the event log."""
    log = SqliteEventLog(home / "eventlog.db")
    found: set[str] = set()
    position = 0
    while records := log.read(position):
        found |= {decode(row.body).message_id for row in records if row.type == "identify"}
        position = records[-1].position
    log.close()
    return found


def _assert_the_account_is_balanced(place: "Place") -> None:
    status = place.status()
    rows = {row["kind"]: row for row in status["destinations"]}
    assert status["balanced"]
    for row in rows.values():
        assert (row["state"], row["failed"], row["filtered"], row["pending"]) == ("running", 0, 0, 0), row
        assert row["delivered"] == row["received"]
    emitted = sum(_events(place)["emitted"].values())
    assert len({call["messageId"] for call in place.segment.calls}) == emitted


def _assert_contacts_are_right(place: "Place", crowd: Crowd) -> None:
    opt_outs = _opt_outs(place)
    held = _held(place)
    wanted = {person.addresses[-1]: person.contact(opt_outs) for person in crowd.people if person.has_spoken}
    former = {address for person in crowd.people for address in person.addresses[:-1]}
    wrong = {
        email: _difference(held.get(email, Contact()), each)
        for email, each in wanted.items()
        if held.get(email) != each
    }
    assert wrong == {}
    assert held.keys() <= wanted.keys() | former
    assert [email for email in former & held.keys() if held[email].subscription == SUBSCRIBED] == []
    assert opt_outs.unwilling  # or the campaigns have tested nothing
    assert former


def _difference(held: Contact, wanted: Contact) -> dict[str, Any]:
    """What is wrong, and only that: held, wanted."""
    one, other = (
        {**each.properties, "(subscription)": each.subscription, "(Name)": each.name}
        for each in (held, wanted)
    )
    return {
        name: (one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    }


def _opt_outs(place: "Place") -> OptOuts:
    events = [row["event"] for row in _events(place)["events"]]
    assert len(events) < 1000  # else some are not shown
    return OptOuts(
        {each["email"] for each in events if each["event"] in {"unsub", "spam"}},
        {each["email"] for each in events if each["event"] == "bounce" and each["hard_bounce"]},
    )


def _held(place: "Place") -> dict[str, Contact]:
    """What Mailjet holds, by address, read with its own client."""
    members = _rows(place.mailjet.listrecipient, ContactsList=place.setup["list_id"])
    subscriptions = {
        row["ContactID"]: UNSUBSCRIBED if row["IsUnsubscribed"] else SUBSCRIBED for row in members
    }
    properties = {
        row["ContactID"]: {each["Name"]: each["Value"] for each in row["Data"]}
        for row in _rows(place.mailjet.contactdata)
    }
    return {
        row["Email"]: Contact(row["Name"], properties.get(row["ID"], {}), subscriptions.get(row["ID"]))
        for row in _rows(place.mailjet.contact)
    }


def _rows(resource: Any, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for offset in itertools.count(0, 1000):
        page = resource.get(filters={"Limit": 1000, "Offset": offset, **filters}).json()["Data"]
        found += page
        if len(page) < 1000:
            return found
    raise AssertionError
