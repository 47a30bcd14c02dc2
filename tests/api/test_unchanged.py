"""What a program has read can be written back: nothing changes, and no secret is replaced by its mask."""

from typing import Any

import pytest

from jetbridge.control.models import Destination, MailjetAccount
from jetbridge.control.people import AuditEntry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.setting import MASK

from .calls import CALLS, Call, body_schema
from .filled import Filled, fill

READ = {call.path: call for call in CALLS if call.method == "GET"}
WRITTEN = [call for call in CALLS if call.method == "PATCH" and call.path in READ]


@pytest.fixture
def shop(people: Any, event_log: SqliteEventLog, sandbox: str) -> Filled:
    of = fill(event_log, people.workspace, people.owner, (sandbox, "public" * 4, "private"))
    on = of.call(
        "PATCH", "mailjet-accounts/{account}/email-events", {"enabled": True, "write_key": "their-key"}
    )
    assert on.status_code == 200, on.content
    return of


def secrets() -> list[Any]:
    rows = [row.secrets for row in Destination.objects.order_by("id")]
    return [*rows, *MailjetAccount.objects.values_list("api_key", "secret_key")]


@pytest.mark.parametrize("call", WRITTEN, ids=lambda call: call.name)
def test_what_was_read_can_be_written_back(shop: Filled, call: Call) -> None:
    before, entries = secrets(), AuditEntry.objects.count()
    read = shop.get(call.path[1:])
    row = {**read, **read.get("rule", {})}
    body = {name: row[name] for name in body_schema(call)["properties"] if name in row}
    assert body
    answer = shop.call("PATCH", call.path[1:], body)
    assert answer.status_code == 200, answer.content
    assert (secrets(), AuditEntry.objects.count()) == (before, entries)
    assert shop.get(call.path[1:]) == read


def test_what_can_be_read_and_written_is_looked_at() -> None:
    assert {call.name for call in WRITTEN} >= {
        "change_source",
        "change_mailjet_account",
        "change_email_events",
        "change_destination",
        "change_alert_rule",
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "destinations", {"kind": "segment", "settings": {"writeKey": MASK}}, "INVALID_VALUE"),
        ("POST", "mailjet-accounts", {"api_key": f"abcd{MASK}", "secret_key": "s"}, "INVALID_VALUE"),
        ("POST", "mailjet-accounts", {"api_key": "a", "secret_key": MASK}, "INVALID_VALUE"),
        (
            "PATCH",
            "mailjet-accounts/{account}",
            {"api_key": f"abcd{MASK}", "secret_key": "s"},
            "INVALID_VALUE",
        ),
        (
            "POST",
            "alert-rules",
            {"kind": "pause", "webhook_url": f"https://example.com/{MASK}"},
            "INVALID_VALUE",
        ),
        ("PATCH", "alert-rules/{rule}", {"webhook_url": f"https://example.com/{MASK}"}, "INVALID_VALUE"),
    ],
)
def test_the_mask_of_another_secret_is_refused(
    shop: Filled, method: str, path: str, body: Any, code: str
) -> None:
    before, entries = secrets(), AuditEntry.objects.count()
    problem = shop.call(method, path, body).json()
    assert (problem["code"], MASK in problem["detail"]) == (code, True)
    assert (secrets(), AuditEntry.objects.count()) == (before, entries)


def test_a_new_secret_beside_masked_ones_is_taken(shop: Filled) -> None:
    path = "destinations/{destination}"
    settings = shop.get(path)["settings"]
    changed = shop.call("PATCH", path, {"settings": {**settings, "listId": "10002"}, "anyway": True}).json()
    assert [row["what"] for row in changed["changed"]] == ["listId"]
