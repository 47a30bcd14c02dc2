from pathlib import Path
from typing import TYPE_CHECKING

from jetbridge.control.models import Destination, MailjetAccount
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.models import destination_consumer
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.models import Contact, TraitName

if TYPE_CHECKING:
    from conftest import Jetbridge, Result


def set_up(jetbridge: "Jetbridge", mailjet: str) -> None:
    keys = ("--api-key", "public", "--secret-key", "private")
    assert (
        jetbridge("setup", "--mailjet-url", mailjet, *keys, "--list", "Customers", "--create-list").status
        == 0
    )


def lines(result: "Result", state: str) -> list[str]:
    return [line[6:] for line in result.out.splitlines() if line.startswith(state)]


def test_all_is_well_after_setup(
    jetbridge: "Jetbridge", mailjet: str, home: Path, worker_at_home: None
) -> None:
    set_up(jetbridge, mailjet)
    result = jetbridge("doctor")
    assert result.status == 0, result.out
    assert lines(result, "FAIL") == []
    assert lines(result, "ok") == [
        f"{home} can be written",
        f"the files in {home} can be read by their owner only",
        "the event log has taken 0 records and is 0 MB large",
        f"{home}/state.db can be opened, and its tables are up to date",
        "state.db is whole",
        "eventlog.db is whole",
        f"Mailjet public: {mailjet} accepts the key pair",
        "contacts list 38001 (Customers) has 0 subscribers",
        "Mailjet sends all 7 types of events here",
        "a worker is running and gives signs of life",
        "Mailjet (Customers) accounts for all messages (0)",
    ]
    assert lines(result, "warn") == [
        "only this machine reaches http://127.0.0.1:8080",
    ]


def test_callbacks_that_mailjet_has_suspended_are_not_well(
    jetbridge: "Jetbridge", mailjet: str, home: Path
) -> None:
    set_up(jetbridge, mailjet)
    client = MailjetClient(mailjet, "public", "private")
    client.managecontact(client.contactslists()[0].id, {"Email": "ann@example.com", "Action": "addforce"})
    client._transport.call("POST", "/sandbox/faults", body={"kind": "dead_callback", "event": "sent"})
    body = {"list_id": client.contactslists()[0].id, "subject": "News"}
    client._transport.call("POST", "/sandbox/campaigns", body=body)
    result = jetbridge("doctor")
    [found] = [line for line in lines(result, "warn") if "suspended" in line]
    # All share one URL, which is suspended as a whole.
    assert found.startswith("Mailjet has suspended sent, open, click, bounce, blocked, spam, unsub events")
    assert "`jetbridge destinations backfill` adds what was" in " ".join(result.out.split())


def test_each_fault_is_found_with_what_to_do(jetbridge: "Jetbridge", mailjet: str, home: Path) -> None:
    set_up(jetbridge, mailjet)
    client = MailjetClient(mailjet, "public", "private")
    (home / "secret.key").chmod(0o644)
    client.delete_eventcallbackurl(client.eventcallbackurls()[0].id)
    client._call("DELETE", f"/v3/REST/contactslist/{client.contactslists()[0].id}")
    reader = destination_consumer(Destination.objects.get().id)
    pauses.pause(reader, "INVALID_LIST", "Choose a list.")
    paused_at = ledger.offset(reader).paused_at
    result = jetbridge("doctor")
    assert result.status == 1
    assert lines(result, "FAIL") == [
        f"{home}/secret.key can be read by others",
        "contacts list 38001 (Customers) is not there any more",
        "No worker is running, nothing is delivered",
        f"Mailjet (Customers) is paused (INVALID_LIST) since {paused_at:%Y-%m-%d %H:%M} UTC",
    ]
    assert f"      Run `chmod 600 {home}/secret.key`." in result.out.splitlines()
    assert "Mailjet does not send sent events here" in lines(result, "warn")


def test_a_mailjet_that_refuses_the_pair_fails_the_check(
    jetbridge: "Jetbridge", mailjet: str, worker_at_home: None
) -> None:
    set_up(jetbridge, mailjet)
    MailjetAccount.objects.update(secret_key="wrong")
    result = jetbridge("doctor")
    assert result.status == 1
    assert len(lines(result, "FAIL")) == 1
    assert lines(result, "FAIL")[0].startswith("Mailjet public: Mailjet rejects the API key and secret key.")


def test_what_arrives_only_in_part_is_a_warning(
    jetbridge: "Jetbridge", mailjet: str, worker_at_home: None
) -> None:
    set_up(jetbridge, mailjet)
    MailjetClient(mailjet, "public", "private").create_contactmetadata("age", "str")
    desired = state.encode(state.Desired(values={"age": 40}))
    account, destination = MailjetAccount.objects.get().id, Destination.objects.get().id
    Contact.objects.create(account_id=account, email="a@b.com", desired=desired, delivered=b"{}")
    for trait in ("Plan", "plan"):
        TraitName.objects.create(destination_id=destination, trait=trait, property="plan")
    result = jetbridge("doctor")
    assert result.status == 0
    assert lines(result, "warn")[-2:] == [
        (
            "property age is text (str) at Mailjet, but its values are all whole numbers (1 looked at): segments "
            "cannot compare them"
        ),
        (
            "Mailjet (Customers): the traits Plan and plan go to one property, plan, where the last value wins. "
            "Give each a property of its own in the Mapping, or block all but one."
        ),
    ]
    assert "`jetbridge contacts verify --repair` makes it anew as int" in result.out
