"""An identify goes to Mailjet, a campaign goes out, and its events arrive at "Segment": another Jetbridge."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.spec.message import Message, decode

pytestmark = pytest.mark.acceptance

NEW_SOURCE = """
from jetbridge.control import database
database.start()
database.migrate()
from jetbridge.control.models import SourceKind, Workspace
workspace = Workspace.objects.create(name="Segment")
print(workspace.sources.create(name="Mailjet Source", kind=SourceKind.HTTP).current_key)
"""
CAMPAIGN = {"subject": "Spring!", "title": "Spring sale", "open": 1, "click": 1, "unsub": 1}
NAMES = {
    "sent": "Email Delivered",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "unsub": "Unsubscribed",
}


def environment(home: Path, port: int) -> dict[str, str]:
    return {
        "JETBRIDGE_HOME": str(home),
        "JETBRIDGE_PORT": str(port),
        "JETBRIDGE_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }


def output_of(*arguments: str, env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, *arguments], env=os.environ | env, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture
def segment(
    tmp_path: Path, start_jetbridge: Callable[..., Any], free_port: Callable[[], int]
) -> tuple[str, str, Path]:
    """Another Jetbridge's endpoints: address, write key, home."""
    home, port = tmp_path / "segment", free_port()
    env = environment(home, port)
    write_key = output_of("-c", NEW_SOURCE, env=env).strip()
    start_jetbridge("web", env=env, health=f"http://127.0.0.1:{port}/healthz")
    return f"http://127.0.0.1:{port}", write_key, home


@pytest.fixture
def joined(
    home: Path,
    client: MailjetClient,
    segment: tuple[str, str, Path],
    start_jetbridge: Callable[..., Any],
    free_port: Callable[[], int],
) -> dict[str, Any]:
    """What `setup` printed of a Jetbridge that serves."""
    env = environment(home, free_port())
    mailjet = ("--mailjet-url", client.api_url, "--api-key", "key", "--secret-key", "secret")
    to_segment = ("--segment-url", segment[0], "--segment-write-key", segment[1])
    printed = output_of(
        "-m",
        "jetbridge",
        "setup",
        *mailjet,
        "--list",
        "Customers",
        "--create-list",
        *to_segment,
        "--json",
        env=env,
    )
    start_jetbridge("serve", env=env, health=f"{env['JETBRIDGE_PUBLIC_URL']}/healthz")
    result: dict[str, Any] = json.loads(printed)
    return result


def tracks(home: Path) -> list[Message]:
    log = SqliteEventLog(home / "eventlog.db")
    found = [decode(row.body) for row in log.read(0, limit=10_000)]
    log.close()
    return found


def test_email_events_arrive_at_segment_as_the_person_who_was_identified(
    joined: dict[str, Any],
    client: MailjetClient,
    segment: tuple[str, str, Path],
    eventually: Callable[..., None],
) -> None:
    post = urllib3.PoolManager(retries=False).request
    identify = {"userId": "u1", "traits": {"email": "Ann@Example.com"}, "writeKey": joined["write_key"]}
    assert post("POST", f"{joined['tracking_url']}/v1/identify", json=identify).status == 200
    eventually(lambda: client.getcontactslists("ann@example.com"), "the contact is on the list")

    sent = client._transport.call(
        "POST", "/sandbox/campaigns", body=CAMPAIGN | {"list_id": joined["list_id"]}
    )
    campaign = json.loads(sent.body)
    expected = Counter({NAMES[name]: total for name, total in campaign["events"].items() if total})
    assert expected.keys() == set(NAMES.values())
    eventually(lambda: len(tracks(segment[2])) >= expected.total(), "every event is at Segment")

    arrived = tracks(segment[2])
    assert Counter(message.event for message in arrived) == expected
    assert {message.user_id for message in arrived} == {"u1"}
    assert {message.anonymous_id for message in arrived} == {None}
    assert len({message.message_id for message in arrived}) == expected.total()
    unsubscribed = next(message for message in arrived if message.event == "Unsubscribed")
    assert unsubscribed.properties is not None
    assert {
        name: unsubscribed.properties.get(name) for name in ("email_subject", "campaign_id", "campaign_name")
    } == {
        "email_subject": "Spring!",
        "campaign_id": str(campaign["campaign_id"]),
        "campaign_name": "Spring sale",
    }
    assert unsubscribed.properties["list_id"] == str(joined["list_id"])
    assert unsubscribed.properties["list_name"] == "Customers"
    assert (unsubscribed.context or {})["traits"] == {"email": "ann@example.com"}
