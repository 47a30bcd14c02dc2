from typing import TYPE_CHECKING, Any

from jetbridge.delivery import ledger
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.integrations.mailjet.contacts.contact import Contact, save_merged

if TYPE_CHECKING:
    from conftest import Jetbridge


def fill(mailjet: str, log: SqliteEventLog) -> None:
    """A contact is due; one message is not read yet."""
    list_id = MailjetClient(mailjet, "public", "private").create_contactslist("Customers").id
    joined = connect.join(ConnectionSpec("Main", mailjet, "public", "private", list_id, "Customers"))
    source, destination = joined.http_source.id, joined.to_mailjet.id
    ledger.begin_destination(destination, [source], log.counts())
    log.append([Entry(source, "identify", 1_000, b"{}")])
    contact = Contact("ann@b.com")
    contact.desired.merge({"plan": "pro", "age": 3}, 1)
    contact.desired.apply_list_action(list_id, "addnoforce", 1)
    contact.next_attempt_at = 1
    save_merged(1, [contact])


def test_a_plan_for_people_and_for_scripts(
    jetbridge: "Jetbridge", mailjet: str, event_log: SqliteEventLog, home: Any
) -> None:
    fill(mailjet, event_log)
    assert jetbridge("contacts", "diff").out.splitlines() == [
        "Mailjet public: contacts waiting: 1.",
        "  created: 1, subscribed: 1",
        "  property age would be created as int",
        "  property plan would be created as str",
        "  calls: 0 for many, up to 3 others",
        "  messages not read yet: 1",
    ]
    (row,) = jetbridge("contacts", "diff", "--json", "--account", "1").json["accounts"]
    assert row == {
        "id": 1, "name": "Mailjet public", "due": 1, "later": 0, "created": 1, "changed": 0, "subscribed": 1,
        "unsubscribed": 0, "removed": 0, "deleted": 0, "silent": 0, "jobs": 0, "single_calls": 1, "calls": 3,
        "carried": 0, "open_jobs": 0, "properties": {"age": "int", "plan": "str"}, "rejected_values": [], "unread": 1, "unreadable": [],
        "unreadable_total": 0,
    }  # fmt: skip


def test_an_account_that_is_not_there_is_one_sentence(
    jetbridge: "Jetbridge", mailjet: str, event_log: SqliteEventLog
) -> None:
    fill(mailjet, event_log)
    sentence = "There is no Mailjet account 9. These are known: 1 (Mailjet public)."
    assert jetbridge("contacts", "diff", "--account", "9").err == f"Error: {sentence}\n"
