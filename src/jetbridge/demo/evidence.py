"""What is found in the end, read from outside: from Mailjet's API, from Segment's side, from the warehouse, from the account."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jetbridge.demo.services import Sandbox

#: A mailbox at Mailjet: subscribed, unsubscribed, or on no list.
ON, OFF = "subscribed", "unsubscribed"
#: What the Mailjet destination reads every 15 minutes, and first 10 s after its start.
UNSUBSCRIBE_CHECK = frozenset({"GET listrecipient", "GET contact"})


@dataclass
class Evidence:
    """`members` says ON or OFF for the list's contacts. `account` is what `jetbridge status --json` says, `answers` what the queries of
    `jetbridge warehouse queries --run` find, by their names.
    """

    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    account: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls_for_repetition: Counter[str] = field(default_factory=Counter)
    left_by_campaign: str = ""
    #: When Mailjet first had that somebody is in the audience, and then that they are not any more.
    entered_at: datetime | None = None
    left_at: datetime | None = None

    def destination(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.account["destinations"] if row["kind"] == kind)
        return found


def answers(printed: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """From what `jetbridge warehouse queries --run --json` prints."""
    return {query["name"]: query.get("rows", []) for query in printed["queries"]}


def of_mailjet(evidence: Evidence, sandbox: Sandbox, list_id: int) -> None:
    """Read all contacts and the list from Mailjet's API, and the email events from the sandbox."""
    emails = {row["ID"]: row["Email"] for row in sandbox.read("contact")}
    evidence.names = {row["Email"]: row["Name"] for row in sandbox.read("contact")}
    evidence.properties = {
        emails[row["ContactID"]]: {pair["Name"]: pair["Value"] for pair in row["Data"]}
        for row in sandbox.read("contactdata")
    }
    evidence.members = {
        emails[row["ContactID"]]: OFF if row["IsUnsubscribed"] else ON
        for row in sandbox.read("listrecipient", ContactsList=list_id)
        if row["IsActive"] or row["IsUnsubscribed"]
    }
    evidence.events = sandbox.events()
