import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jetbridge.control.models import Source, SourceKind
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.mailjet.client import MailjetClient

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Jetbridge


def identify(home: "Path", user: str, email: str) -> None:
    source = Source.objects.get(kind=SourceKind.HTTP).id
    now = datetime.now(UTC)
    call = {"type": "identify", "messageId": f"{user}-{now}", "userId": user, "traits": {"email": email}}
    body = json.dumps(call | {"timestamp": now.isoformat(), "receivedAt": now.isoformat()}).encode()
    log = SqliteEventLog(home / "eventlog.db")
    log.append([Entry(source, "identify", int(now.timestamp() * 1000), body)])
    log.close()


def set_up(jetbridge: "Jetbridge", mailjet: str) -> None:
    keys = ("--api-key", "public", "--secret-key", "private")
    assert jetbridge("setup", "--mailjet-url", mailjet, *keys, "--list", "Customers").status == 0


def test_forgetting_waits_for_the_worker_and_gives_a_receipt(
    jetbridge: "Jetbridge", mailjet: str, start_jetbridge: Any, home: "Path", eventually: Any
) -> None:
    set_up(jetbridge, mailjet)
    identify(home, "ada", "ada@b.com")
    nobody = jetbridge("forget", "eve", "--yes", "--wait", "0")
    assert nobody.status == 1
    assert "a worker has to run" in nobody.out
    start_jetbridge("worker")
    client = MailjetClient(mailjet, "public", "private")
    eventually(lambda: client.contact("ada@b.com"), "the contact is at Mailjet")
    receipt = jetbridge("forget", "ada", "--yes", "--json").json
    assert receipt["ended"]
    assert receipt["done"] == [
        "Mailjet public: the contacts of 1 address deleted.",
        "Event log: 1 record emptied.",
        "Kept failures: 0 deleted.",
    ]
    assert client.contact("ada@b.com") is None
    identify(home, "ada", "ada@b.com")
    eventually(
        lambda: (
            jetbridge("status", "--json").json["destinations"][0]["reasons"]["filtered"]
            == {"USER_SUPPRESSED": 1}
        ),
        "the later message is filtered",
    )
    listed = jetbridge("outcomes", "filtered").out
    assert listed.count("USER_SUPPRESSED") == 1
    assert jetbridge("check").status == 0


def test_a_lifted_suppression_lets_the_person_in_again(jetbridge: "Jetbridge", mailjet: str) -> None:
    set_up(jetbridge, mailjet)
    assert jetbridge("forget", "ada", "--lift").err == "Error: ada is not suppressed.\n"
    jetbridge("forget", "ada", "--yes", "--wait", "0")
    assert jetbridge("forget", "ada", "--lift").out.startswith("Messages that name ada are taken again.")


def test_without_a_yes_nothing_happens(jetbridge: "Jetbridge", mailjet: str) -> None:
    set_up(jetbridge, mailjet)
    assert jetbridge("forget", "ada", stdin="n\n").status == 1
    assert "not suppressed" in jetbridge("forget", "ada", "--lift").err
