"""One record stops nothing: hostile messages through the whole way to the sandbox, and contacts that raise."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import reduce
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from django.db import connection
from tests import makers as mk
from tests.fuzz import WITH_IO, fuzz

from jetbridge.control.models import MailjetAccount
from jetbridge.delivery import retry_queue
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.errors import MessageRejected
from jetbridge.eventlog.base import Entry
from jetbridge.integrations.contact_queries import ContactFilter
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contact_queries import MailjetContactQueries
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync.plan import plan
from jetbridge.integrations.mailjet.sync.preview import preview
from jetbridge.integrations.mailjet.sync.remote import Reads
from jetbridge.integrations.mailjet.verification.comparer import Difference
from jetbridge.integrations.mailjet.verification.mistyped import mistyped
from jetbridge.integrations.mailjet.verification.verify import Verification
from jetbridge.privacy import erasure
from jetbridge.privacy.erasure import Eraser
from jetbridge.services.queries import health
from jetbridge.spec.message import decode
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_single
from jetbridge.spec.person import Identity
from jetbridge.worker.plan import erasure_handlers
from mailjet_sandbox.settings import Settings

from .conftest import Bridge, bridge_at

#: Values that something may stumble over, in whatever place they stand.
SCALARS: list[Any] = [
    None, True, False, 0, -1, 1, 2, 1.5, 1e308, -1e308, 5e-324, -0.0, 2**53 + 1, 2**63, -(2**63) - 1, 10**400,
    "", " ", "x", "\x00", "a\x00b", "\ud800", "\U000e0001", "é\u202e", "9" * 19, "9" * 4_301, "-5", "1_000", "1e999",
    "NaN", "true", "yes", "0000-00-00", "2026-11-01", "9999-12-31T23:59:59.999999999+14:00",
    "0001-01-01T00:00:00-14:00", "1712011512000", "a@example.com", "A@EXAMPLE.COM", "a@b", "x" * 5_000, "{}", "$", "%s",
    "'; DROP TABLE mailjet_contact; --", [], {}, [[]], {"": {"": {}}},
]  # fmt: skip
NAMES = [
    "email",
    "Email",
    "e-mail",
    "unsubscribed",
    "name",
    "firstname",
    "id",
    "score",
    "when",
    "a.b",
    "a",
    "",
    "\x00",
    "_",
]


def anything(random: Random, depth: int = 0) -> Any:
    kind = random.random()
    if depth > 6 or kind < 0.75:
        return random.choice(SCALARS)
    if kind < 0.85:
        return [anything(random, depth + 1) for _ in range(random.randrange(4))]
    if kind < 0.86:
        return reduce(lambda inner, _: [inner], range(random.randrange(200)), None)
    return {random.choice(NAMES): anything(random, depth + 1) for _ in range(random.randrange(5))}


class HostileCall(NamedTuple):
    """A call of a person in a few tens, with anything at all in every place; sometimes with settings of a Segment
    workspace.
    """

    call: dict[str, Any]
    settings: Any

    def entries(self, source: int) -> list[Entry]:
        """The call as the ingest endpoint takes it in, if it does."""
        received, settings = datetime.now(UTC), None
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):  # the header is refused
            settings = msgspec.json.decode(json.dumps(self.settings), type=dict[str, Any] | None)
        arrival = Arrival(received_at=received, type="identify", settings=settings)
        with suppress(MessageRejected):
            parsed = parse_single(json.dumps(self.call).encode(), arrival)
            at = int(received.timestamp() * 1000)
            return [Entry(source, item.type, at, item.body) for item in parsed.accepted]
        return []


def hostile_call(random: Random) -> HostileCall:
    def maybe(usual: Any) -> Any:
        return usual if random.random() < 0.7 else anything(random)

    def options() -> Any:
        action = random.choice(["addforce", "addnoforce", "remove", "unsub"])
        return maybe({"listId": anything(random), "action": maybe(action)})

    person = random.randrange(40)
    traits = {random.choice(NAMES): anything(random) for _ in range(random.randrange(6))}
    call = {
        "userId": maybe(f"u{person}"),
        "traits": maybe({**traits, "email": maybe(f"u{person}@example.com")}),
        "context": maybe({"traits": anything(random)}),
        "integrations": maybe({"Mailjet": options()}),
    }
    for name in ("anonymousId", "messageId", "timestamp", "sentAt", "originalTimestamp"):
        if random.random() < 0.2:
            call[name] = anything(random)
    return HostileCall(call, options() if random.random() < 0.2 else None)


@fuzz(WITH_IO, per_run=300, calls=mk.lists(hostile_call, least=300, most=300))
def test_hostile_messages_stop_nobody(homes: Any, calls: list[HostileCall]) -> None:
    neighbours = []
    with bridge_at(
        homes.empty(), Settings(api_key="public", secret_key="private", job_delay_seconds=0.01)
    ) as bridge:
        for number, hostile in enumerate(calls):
            bridge.log.append(hostile.entries(bridge.source))
            if number % 10 == 0:
                neighbours.append(f"good{number}@example.com")
                bridge.send(f"good-{number}", {"email": neighbours[-1], "plan": "pro"})
        bridge.start()
        row = bridge.settle()
        assert (row.state, row.pending) == ("running", 0)
        assert INTERNAL_ERROR not in row.reasons["failed"]
        for email in neighbours:
            assert bridge.properties(email)["plan"] == "pro"
            assert bridge.subscriptions(email)[bridge.list_id]


@pytest.mark.parametrize("digits", ["9" * 4_301, "9" * 20, "٣٨٠٠١", "-1", "1_0"])
def test_a_list_id_that_is_no_number_fails_its_call_alone(started: Bridge, digits: str) -> None:
    started.send("bad", {"email": "bad@example.com"}, integrations={"Mailjet": {"listId": digits}})
    started.send("bad", {"email": "bad@example.com"}, settings={"listId": digits})
    started.send("good", {"email": "good@example.com"})
    row = started.settle()
    assert (row.delivered, row.reasons["failed"]) == (1, {"INVALID_SETTINGS": 2})


def spoil(email: str, column: str, value: bytes = b'{"lists": 5, "values": 5, "state": 5}') -> None:
    """Write into a contact's row what no reader of it can decode."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE mailjet_contact SET {column} = %s WHERE email = %s",
            [value, email],
        )
        assert cursor.rowcount == 1


@pytest.mark.parametrize("column", ["desired", "delivered"])
@pytest.mark.parametrize("number", [3, 400])
def test_a_contact_that_raises_fails_alone(bridge: Bridge, column: str, number: int) -> None:
    """Of a few, which are sent singly, and of many, which a job carries."""
    emails = [f"u{index}@example.com" for index in range(number)]
    bridge.log.append(
        bridge.identify(f"u{index}", {"email": email, "plan": "x"}) for index, email in enumerate(emails)
    )
    bridge.merge()
    spoil("u1@example.com", column)
    bridge.start()
    row = bridge.settle()
    assert (row.delivered, row.reasons["failed"]) == (number - 1, {INTERNAL_ERROR: 1})
    assert bridge.delivery_records() == [(INTERNAL_ERROR, "u1@example.com", 1)]
    assert row.state == "running"
    assert bridge.properties("u0@example.com")["plan"] == bridge.properties(emails[-1])["plan"] == "x"
    contact_queries = MailjetContactQueries(
        bridge.destination.id, Contact.objects.values_list("account_id", flat=True)[0]
    )
    assert contact_queries.page(ContactFilter.RECENT).contacts  # the page of the others is not broken by it

    spoil("u1@example.com", column, b"{}")
    retry_queue.retry(bridge.destination.id, Choice(reason=INTERNAL_ERROR), bridge.log)
    row = bridge.settle()
    assert (row.delivered, row.failed) == (number, 0)
    assert bridge.properties("u1@example.com")["plan"] == "x"


def test_a_contact_that_raises_when_its_job_ends_fails_alone(bridge: Bridge) -> None:
    bridge.log.append(bridge.identify(f"u{index}", {"email": f"u{index}@example.com"}) for index in range(50))
    bridge.merge()
    bridge.start()
    while not Contact.objects.exclude(job_id=None).exists():
        pass
    spoil("u7@example.com", "sent")
    row = bridge.settle()
    assert (row.delivered, row.reasons["failed"]) == (49, {INTERNAL_ERROR: 1})


def test_messages_for_a_contact_that_nobody_can_read_fail_and_say_so(bridge: Bridge) -> None:
    bridge.send("ann", {"email": "ann@example.com"})
    bridge.start()
    bridge.rest()
    spoil("ann@example.com", "desired")
    bridge.send("bob", {"email": "bob@example.com"})
    bridge.send("ann", {"email": "ann@example.com", "plan": "x"})
    bridge.send("cat", {"email": "cat@example.com"})
    row = bridge.settle()
    assert (row.delivered, row.reasons["failed"]) == (3, {INTERNAL_ERROR: 1})
    assert bridge.subscriptions("cat@example.com")


#: Columns of a contact that can be spoiled, each alone.
COLUMNS = ["desired", "delivered", "pending"]


def lights(bridge: Bridge) -> list[tuple[str, str]]:
    return [
        (light.code, light.state)
        for light in health.read(bridge.log).lights
        if light.code == "CONTACT_UNREADABLE"
    ]


def settings_of(bridge: Bridge) -> tuple[int, MailjetClient]:
    return MailjetAccount.objects.get().id, bridge.mailjet


@pytest.mark.parametrize("column", COLUMNS)
def test_what_waits_for_a_contact_that_nobody_can_read_is_accounted_for_and_has_a_light(
    bridge: Bridge, column: str
) -> None:
    """Was: with a pending column that cannot be read they stayed pending for ever, and nothing said so."""
    for index in range(5):
        bridge.send(f"u{index}", {"email": f"u{index}@example.com"})
    bridge.send("u1", {"email": "u1@example.com", "plan": "x"})
    bridge.merge()
    spoil("u1@example.com", column)
    assert health.read(bridge.log)  # before anybody has met it
    bridge.start()
    row = bridge.settle()
    assert (row.delivered, row.reasons["failed"]) == (4, {INTERNAL_ERROR: 2})
    assert bridge.delivery_records()[0][1:] == ("u1@example.com", 2)
    # What had waited is all that could not be read of it, where that was the pending column.
    assert lights(bridge) == ([] if column == "pending" else [("CONTACT_UNREADABLE", "fail")])
    bridge.threads.stop()

    account, _ = settings_of(bridge)
    repaired = Verification(account, Reads(bridge.mailjet), repair=True).run()
    assert repaired.by_kind.get("unreadable", 0) == (0 if column == "pending" else 1)
    assert lights(bridge) == []
    bridge.send("u1", {"email": "u1@example.com", "plan": "y"})
    bridge.start()
    bridge.settle()
    assert bridge.properties("u1@example.com") == {"plan": "y"}


@pytest.mark.parametrize("column", COLUMNS)
def test_verify_and_plan_name_a_contact_that_nobody_can_read_and_do_the_rest(
    bridge: Bridge, column: str
) -> None:
    for index in range(5):
        bridge.send(f"u{index}", {"email": f"u{index}@example.com"})
    bridge.start()
    bridge.rest()
    bridge.threads.stop()
    bridge.mailjet.managecontact(bridge.list_id, {"Email": "u3@example.com", "Action": "unsub"})
    Contact.objects.update(next_attempt_at=1)
    account, client = settings_of(bridge)
    spoil("u1@example.com", column)
    found = plan(account, client)
    assert (found.due, found.unreadable, found.unreadable_total) == (4, ["u1@example.com"], 1)
    assert mistyped(account, {"plan": "str"}) == []

    Contact.objects.update(next_attempt_at=None)
    shown: list[Difference] = []
    report = Verification(account, Reads(client), show=shown.append).run()
    assert sorted((each.kind, each.email) for each in shown) == [
        ("unreadable", "u1@example.com"),
        ("unsubscribed", "u3@example.com"),
    ]
    assert (report.compared, report.unknown, report.remaining, report.learned) == (4, 0, 1, 1)
    assert lights(bridge) == [("CONTACT_UNREADABLE", "fail")]
    contact_queries = MailjetContactQueries(bridge.destination.id, account)
    assert [card.email for card in contact_queries.find(Identity.of_name("u1")).contacts] == [
        "u1@example.com"
    ]
    assert contact_queries.now("u1@example.com") is None
    message = decode(bridge.identify("u1", {"email": "u1@example.com", "plan": "z"}).body)
    shown_alone = preview(bridge.destination, message, offline=True)
    assert (shown_alone.outcome, shown_alone.code) == ("failed", INTERNAL_ERROR)
    spoil("u1@example.com", column, b"{}")  # by a version that can read it
    assert lights(bridge) == []


@pytest.mark.parametrize("column", COLUMNS)
def test_a_person_is_forgotten_whose_contact_nobody_can_read(bridge: Bridge, column: str) -> None:
    bridge.send("ann", {"email": "ann@example.com"})
    bridge.start()
    bridge.rest()
    spoil("ann@example.com", column)
    row = erasure.request(bridge.destination.workspace, Identity.of_name("ann@example.com"))
    eraser = Eraser(bridge.log, erasure_handlers)
    deadline = time.monotonic() + 20
    while not eraser.step(row):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert bridge.mailjet.contact("ann@example.com") is None
    assert not Contact.objects.exists()
    assert lights(bridge) == []
    bridge.report()
