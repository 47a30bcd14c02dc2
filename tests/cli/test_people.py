import json
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control.models import Destination, Source, SourceKind
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.privacy.models import Erasure
from jetbridge.services import removal
from jetbridge.services.queries import health

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
    assert (
        jetbridge("setup", "--mailjet-url", mailjet, *keys, "--list", "Customers", "--create-list").status
        == 0
    )


def test_forgetting_waits_for_the_worker_and_gives_a_receipt(
    jetbridge: "Jetbridge", mailjet: str, start_jetbridge: Any, home: "Path", eventually: Any
) -> None:
    set_up(jetbridge, mailjet)
    identify(home, "ada", "ada@b.com")
    nobody = jetbridge("people", "delete", "eve", "--yes", "--wait", "0")
    assert nobody.status == 1
    assert "a worker has to run" in nobody.out
    start_jetbridge("worker")
    client = MailjetClient(mailjet, "public", "private")
    eventually(lambda: client.contact("ada@b.com"), "the contact is at Mailjet")
    receipt = jetbridge("people", "delete", "ada", "--yes", "--json").json
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
    listed = jetbridge("messages", "list", "--outcome", "filtered").out
    assert listed.count("USER_SUPPRESSED") == 1
    assert jetbridge("doctor").status == 0


def test_a_lifted_suppression_lets_the_person_in_again(jetbridge: "Jetbridge", mailjet: str) -> None:
    set_up(jetbridge, mailjet)
    assert jetbridge("people", "delete", "ada", "--lift").err == "Error: ada is not suppressed.\n"
    jetbridge("people", "delete", "ada", "--yes", "--wait", "0")
    assert jetbridge("people", "delete", "ada", "--lift").out.startswith(
        "Messages that name ada are accepted again."
    )


def test_without_a_yes_nothing_happens(jetbridge: "Jetbridge", mailjet: str) -> None:
    set_up(jetbridge, mailjet)
    assert jetbridge("people", "delete", "ada", stdin="n\n").status == 1
    assert "not suppressed" in jetbridge("people", "delete", "ada", "--lift").err


@pytest.fixture
def known(jetbridge: "Jetbridge", mailjet: str, start_jetbridge: Any, home: "Path", eventually: Any) -> Any:
    """Ada is at Mailjet; nothing runs any more, the destinations are disabled, and a message of Bob waits."""
    set_up(jetbridge, mailjet)
    identify(home, "ada", "ada@b.com")
    worker = start_jetbridge("worker")
    eventually(
        lambda: MailjetClient(mailjet, "public", "private").contact("ada@b.com"), "the contact is at Mailjet"
    )
    eventually(
        lambda: jetbridge("status", "--json").json["destinations"][0]["delivered"] == 1, "it is settled"
    )
    worker.stop()
    Destination.objects.update(enabled=False)
    identify(home, "bob", "bob@b.com")
    return MailjetClient(mailjet, "public", "private")


def calls(mailjet: str) -> dict[str, int]:
    """Calls since the last reset; the keeper of the callback URLs has its own pace."""
    with urllib.request.urlopen(f"{mailjet}/sandbox/calls") as answer:
        made: dict[str, int] = json.load(answer)["calls"]
    return {name: total for name, total in made.items() if "eventcallbackurl" not in name}


def post(mailjet: str, path: str, body: Any) -> None:
    request = urllib.request.Request(f"{mailjet}{path}", method="POST", data=json.dumps(body).encode())
    urllib.request.urlopen(request).close()


@pytest.mark.parametrize("removed", [False, True])
def test_a_person_is_forgotten_at_an_account_of_which_nothing_is_enabled(
    jetbridge: "Jetbridge", mailjet: str, start_jetbridge: Any, known: MailjetClient, *, removed: bool
) -> None:
    """And nothing else is sent: a contact that is due stays as it is."""
    Contact.objects.create(
        account_id=1,
        email="due@b.com",
        desired=state.encode(state.Desired()),
        delivered=b"{}",
        next_attempt_at=1,
    )
    if removed:
        for row in Destination.objects.all():
            removal.remove(row)
    post(mailjet, "/sandbox/reset", {})
    start_jetbridge("worker")
    receipt = jetbridge("people", "delete", "ada", "--yes", "--json").json
    assert receipt["ended"]
    assert receipt["done"][0] == "Mailjet public: the contacts of 1 address deleted."
    assert calls(mailjet) == {"GET contact": 1, "DELETE contacts": 1}
    assert known.contact("ada@b.com") is None
    assert known.contact("due@b.com") is None
    assert known.contact("bob@b.com") is None
    assert Contact.objects.get().next_attempt_at == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "status", "status": 401}, "Mailjet rejects the API key and secret key. Enter the pair again (INVALID_AUTHENTICATION)."),
        ({"kind": "status", "status": 503}, "Mailjet has an internal problem (SERVER_ERROR)."),
        ({"kind": "status", "status": 403, "endpoint": "DELETE contacts/*"}, "The Mailjet API key may not do this. Give it the right, or enter another pair (FORBIDDEN)."),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("known")
def test_an_erasure_that_mailjet_does_not_carry_out_has_a_light(
    jetbridge: "Jetbridge",
    mailjet: str,
    start_jetbridge: Any,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    fault: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.setattr(health, "ERASURE_SECONDS", 3.0)
    post(mailjet, "/sandbox/faults", {"faults": [fault]})
    start_jetbridge("worker")
    waits = jetbridge("people", "delete", "ada", "--yes", "--wait", "0")
    assert waits.status == 1
    eventually(lambda: Erasure.objects.get().waits_for == says, says)

    def lights() -> list[str]:
        found = jetbridge("status", "--json").json["lights"]
        return [
            light["fix"] for light in found if (light["code"], light["state"]) == ("ERASURE_OPEN", "fail")
        ]

    eventually(lights, "the light is on")
    assert lights()[0].startswith(says)
    checked = jetbridge("doctor")
    assert checked.status == 1
    assert "1 erasure is open, the oldest (receipt 1) for" in checked.out
    assert "ada" not in str(lights())
