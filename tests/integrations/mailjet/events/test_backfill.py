"""Events that callbacks have missed come from Mailjet's message history, and none comes twice."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.control import directory
from jetbridge.control.models import MailjetAccount, Workspace
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.eventlog.base import EMAIL_EVENT, Entry, Record
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api import resources as rows
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES, parse
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, MESSAGE, UNSUB
from jetbridge.integrations.mailjet.contacts import consent
from jetbridge.integrations.mailjet.contacts.contact import Contact, load_contacts, save_learned
from jetbridge.integrations.mailjet.events import backfill, message_history
from jetbridge.integrations.mailjet.events.backfill import Job
from jetbridge.integrations.mailjet.events.known_events import KnownEvents
from jetbridge.integrations.mailjet.events.message_history import MISSING, MISSING_OF_ALL
from jetbridge.integrations.mailjet.events.reader import opt_out_of
from jetbridge.integrations.mailjet.events.track import email_event_to_track
from jetbridge.integrations.mailjet.models import Backfill, State
from jetbridge.integrations.mailjet.services.accounts import add_account
from jetbridge.privacy import suppression
from jetbridge.spec.person import Identity

PAGE = Path(__file__).parents[4] / "docs" / "mailjet-events.md"
BEGIN, END = "<!-- made by tests/integrations/mailjet/events/test_backfill.py -->\n", "<!-- end -->\n"

EVERYTHING = {
    "open": 1, "click": 0.5, "bounce": 0.2, "blocked": 0.1, "spam": 0.2, "unsub": 0.3, "seed": 3
}  # fmt: skip


@dataclass
class Shop:
    """A sandbox with 20 people on a list, and its account here."""

    client: MailjetClient
    log: SqliteEventLog
    account: MailjetAccount
    list_id: int
    jobs: list[Job] = field(default_factory=list)

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.client._transport.call(method, f"/sandbox/{path}", body=body).body or b"{}")

    def campaign(self, **behaviour: Any) -> list[dict[str, Any]]:
        """The events that callbacks would bring, all of them."""
        self.sandbox("POST", "campaigns", {"list_id": self.list_id, "subject": "News", **behaviour})
        return [row["event"] for row in self.sandbox("GET", "events?limit=1000")["events"]]

    def receive(self, *events: dict[str, Any]) -> None:
        """Callbacks that arrive."""
        at = int(datetime.now(UTC).timestamp() * 1000)
        source = self.account.event_source_id
        self.log.append([Entry(source, EMAIL_EVENT, at, json.dumps(event).encode()) for event in events])

    def fault(self, kind: str, **fields: Any) -> None:
        self.sandbox("POST", "faults", {"kind": kind, **fields})

    def calls(self) -> Counter[str]:
        return Counter(self.sandbox("GET", "calls")["calls"])

    def start(self, **times: datetime) -> Backfill:
        plan = backfill.estimate(
            self.client, self.log, times.get("since"), times.get("until", datetime.now(UTC))
        )
        return backfill.start(self.account, plan)

    def work(self, row: Backfill, stop: threading.Event | None = None) -> Backfill:
        account = next(each for each in directory.load_accounts() if each.id == self.account.id)
        Job(row.id, account, self.log, per_second=10_000).run(stop or threading.Event())
        row.refresh_from_db()
        return row

    def fill(self) -> Backfill:
        return self.work(self.start())

    def events(self) -> list[dict[str, Any]]:
        found = [row for row in self.log.read(0, limit=10_000) if row.type == EMAIL_EVENT]
        assert {row.source for row in found} <= {self.account.event_source_id}
        return [json.loads(row.body) for row in found]


@pytest.fixture
def shop(client: MailjetClient, event_log: SqliteEventLog) -> Shop:
    client._transport.call("DELETE", "/sandbox/faults")
    workspace = Workspace.objects.create(name="Shop")
    account = add_account(event_log, workspace, client.api_url, "key", "secret")
    list_id = client.create_contactslist("Customers").id
    for number in range(20):
        client.managecontact(list_id, {"Email": f"P{number}@Example.com", "Action": "addforce"})
    client._transport.call("POST", "/sandbox/reset", body={})
    return Shop(client, event_log, account, list_id)


def identity(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["MessageID"], event["event"], event["time"], event.get("url")


def message_id(event: dict[str, Any]) -> str:
    typed, raw = parse(json.dumps(event).encode())
    email = str(typed.email).lower()
    return email_event_to_track(
        typed, raw, email=email, user_id=None, received_at=datetime.now(UTC)
    ).message_id


def test_what_callbacks_missed_is_added_as_they_would_have_brought_it(shop: Shop) -> None:
    told = shop.campaign(**EVERYTHING)
    assert {event["event"] for event in told} == set(EVENT_TYPES)
    arrived = told[::2]
    shop.receive(*arrived)

    row = shop.fill()

    assert (row.state, row.problem, row.waits_for) == (State.ENDED, "", "")
    assert (row.messages, row.done, row.added) == (20, 20, len(told) - len(arrived))
    events = shop.events()
    assert sorted(map(identity, events)) == sorted(map(identity, told))
    assert sorted(map(message_id, events)) == sorted(map(message_id, told))
    by_identity = {identity(event): event for event in told}
    for event in events[len(arrived) :]:
        callback = by_identity[identity(event)]
        missing = {*MISSING_OF_ALL, *MISSING[event["event"]]}
        assert event == {
            **{name: value for name, value in callback.items() if name not in missing and value != ""},
            "origin": "messagehistory",
        }


def test_what_is_missing_is_said_of_every_type_of_event(shop: Shop) -> None:
    told = shop.campaign(**EVERYTHING)
    shop.fill()

    def fields(events: list[dict[str, Any]], event_type: str) -> set[str]:
        mine = [event for event in events if event["event"] == event_type]
        return {name for event in mine for name, value in event.items() if value != "" or name == "Payload"}

    added = shop.events()
    for event_type in EVENT_TYPES:
        assert fields(told, event_type) - fields(added, event_type) == {
            *MISSING_OF_ALL,
            *MISSING[event_type],
        }


def test_the_docs_name_what_is_missing() -> None:
    """If they do not: put what is expected between the two comments of docs/mailjet-events.md."""
    page = PAGE.read_text()
    lines = ["| event | fields that a callback has and the history does not |", "|---|---|"]
    for event_type, fields in message_history.missing_fields().items():
        lines.append(f"| {event_type} | {', '.join(f'`{name}`' for name in fields)} |")
    assert (
        page[page.index(BEGIN) + len(BEGIN) : page.index(END, page.index(BEGIN))] == "\n".join(lines) + "\n"
    )


def test_a_second_backfill_adds_nothing_and_spares_calls(shop: Shop) -> None:
    told = shop.campaign(open=0.5)
    first = shop.fill()
    assert first.added == len(told) == 30
    shop.sandbox("POST", "reset", {})

    second = shop.fill()

    assert (second.added, second.known, second.done) == (0, 20, 20)
    assert len(shop.events()) == 30
    # The ten that were only sent are known to be so.
    assert shop.calls() == {"GET message": 2, "GET messagehistory": 10}
    assert second.calls == 11


def test_callbacks_that_come_after_all_are_the_same_messages(shop: Shop) -> None:
    told = shop.campaign(**EVERYTHING)
    shop.fill()
    shop.receive(*told)
    ids = Counter(map(message_id, shop.events()))
    assert set(ids.values()) == {2}
    assert len(ids) == len(told)


def test_one_off_events_may_differ_by_a_second_and_opens_may_not(shop: Shop) -> None:
    told = [event for event in shop.campaign(open=1) if event["email"] == "P1@Example.com"]
    for event in told:
        shop.receive({**event, "time": event["time"] - 1})
    row = shop.fill()
    mine = [event for event in shop.events() if event["email"] == "P1@Example.com"]
    assert Counter(event["event"] for event in mine) == {"sent": 1, "open": 2}
    assert row.known == 1


def test_a_worker_that_stops_goes_on_after_the_last_message(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "SAVE_EVENTS", 5)
    told = shop.campaign(**EVERYTHING)
    row = shop.start()
    shop.work(row, StopsAfter(15))
    assert row.state == State.RUNNING
    assert 0 < row.done < 20
    done, before = row.done, shop.calls()["GET messagehistory"]

    shop.work(row)

    assert (row.state, row.done, row.added) == (State.ENDED, 20, len(told))
    assert shop.calls()["GET messagehistory"] - before <= 20 - done
    assert sorted(map(identity, shop.events())) == sorted(map(identity, told))


def test_pages_of_a_thousand_are_put_together_and_begun_where_it_was(shop: Shop) -> None:
    shop.list_id = shop.client.create_contactslist("Many").id
    contacts = [{"Email": f"many{number}@example.com"} for number in range(2_300)]
    job = shop.client.managemanycontacts(shop.list_id, {"Action": "addforce", "Contacts": contacts})
    while not shop.client.job(job, shop.list_id).ended:
        pass
    shop.sandbox("POST", "campaigns", {"list_id": shop.list_id, "subject": "News"})
    sent = [row.id for page in shop.client.pages(MESSAGE) for row in page]
    missed = {sent[0], sent[999], sent[1_000], sent[1_500], sent[2_299]}
    shop.receive(
        *({"event": "sent", "time": 1_600_000_000, "MessageID": id_} for id_ in sent if id_ not in missed)
    )
    shop.sandbox("POST", "reset", {})
    row = shop.start()
    row.done, row.last_message = 1_500, sent[1_499]
    row.save()

    shop.work(row)
    assert (row.state, row.messages, row.done, row.added) == (State.ENDED, 2_300, 2_300, 2)
    # A count, one page back for what Mailjet may have removed, the last one; and Mailjet's count at the end.
    assert shop.calls() == {"GET message": 4, "GET messagehistory": 2, "GET campaign": 1}

    row = shop.fill()
    assert (row.done, row.added) == (2_300, 3)
    assert sorted(event["MessageID"] for event in shop.events()) == sent


def test_a_worker_that_dies_before_it_notes_its_place_adds_nothing_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "SAVE_EVENTS", 5)
    told = shop.campaign(**EVERYTHING)
    row = shop.start()
    shop.work(row, StopsAfter(15))
    Backfill.objects.update(done=0, last_message=0)
    shop.work(row)
    assert sorted(map(identity, shop.events())) == sorted(map(identity, told))


def test_only_one_runs_and_it_can_be_cancelled(shop: Shop) -> None:
    shop.campaign()
    row = shop.start()
    with pytest.raises(ConflictError, match="is running"):
        shop.start()
    assert backfill.cancel(row)
    assert not backfill.cancel(row)
    assert shop.work(row).state == State.CANCELLED
    assert shop.events() == []
    assert shop.fill().state == State.ENDED


def test_a_source_that_is_disabled_takes_nothing(shop: Shop) -> None:
    shop.campaign()
    row = shop.start()
    shop.account.event_source.enabled = False
    shop.account.event_source.save()
    assert shop.work(row).state == State.FAILED
    assert "is disabled and takes no events" in row.problem
    assert shop.events() == []
    with pytest.raises(ConflictError, match="is disabled and takes no events"):
        shop.start()


def test_one_that_is_cancelled_at_work_adds_nothing_more(shop: Shop) -> None:
    shop.campaign(open=1)
    row = shop.start()
    shop.work(row, CancelsAfter(20, row))
    assert row.state == State.CANCELLED
    added = len(shop.events())
    assert added < 40
    assert backfill.threads(shop.log, directory.load_accounts()) == {}


def test_the_worker_has_a_thread_for_one_that_runs_and_a_new_one_for_new_keys(shop: Shop) -> None:
    shop.start()
    [(name, (made_from, _))] = backfill.threads(shop.log, directory.load_accounts()).items()
    shop.account.secret_key = "another"
    shop.account.save()
    [(same, (other, _))] = backfill.threads(shop.log, directory.load_accounts()).items()
    assert name == same
    assert made_from != other


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "times": 2},
        {"kind": "reset", "times": 2},
        {"kind": "corrupted_response", "body": "html", "endpoint": "message", "times": 2},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
def test_trouble_of_mailjet_is_waited_for(shop: Shop, fault: dict[str, Any]) -> None:
    it_waits_for(shop, fault)


def it_waits_for(shop: Shop, fault: dict[str, Any]) -> None:
    shop.list_id = shop.client.create_contactslist("Few").id
    shop.client.managecontact(shop.list_id, {"Email": "p1@example.com", "Action": "addforce"})
    told = shop.campaign(open=1)
    row = shop.start()
    shop.fault(**fault)
    shop.work(row)
    assert (row.state, row.waits_for, row.added, row.unreadable) == (State.ENDED, "", len(told), 0)


def test_what_it_waits_for_is_said(shop: Shop) -> None:
    shop.campaign()
    row = shop.start()
    shop.fault("status", status=401)
    shop.work(row, StopsAfter(6))
    assert row.state == State.RUNNING
    assert row.waits_for.startswith("Mailjet rejects the API key and secret key.")
    shop.sandbox("DELETE", "faults")
    assert shop.work(row).waits_for == ""
    assert row.state == State.ENDED


def test_a_history_that_cannot_be_read_costs_its_message_alone(shop: Shop) -> None:
    told = shop.campaign(open=1)
    row = shop.start()
    shop.fault("corrupted_response", body="truncated", endpoint="messagehistory/*", times=3)
    shop.work(row)
    assert (row.state, row.done, row.unreadable, row.added) == (State.ENDED, 20, 1, len(told) - 2)


def test_a_mailjet_without_click_statistics_costs_links_and_no_clicks(shop: Shop) -> None:
    shop.campaign(open=0.1, click=0.1)
    shop.fault("status", status=404, endpoint="clickstatistics*")
    row = shop.fill()
    clicks = [event for event in shop.events() if event["event"] == "click"]
    assert (row.state, len(clicks)) == (State.ENDED, 2)
    assert not any("url" in event for event in clicks)


def test_people_who_were_forgotten_do_not_come_back(shop: Shop) -> None:
    told = shop.campaign(open=1)
    suppression.suppress(shop.account.workspace_id, Identity(frozenset(), frozenset({"p3@example.com"})))
    gone = next(event for event in told if event["email"] == "P4@Example.com")
    shop.client.delete_contact(gone["mj_contact_id"])
    row = shop.fill()
    assert {event["email"] for event in shop.events()} == {
        f"P{number}@Example.com" for number in range(20) if number not in {3, 4}
    }
    assert (row.added, row.skipped) == (36, 4)


def test_unsubscribes_are_learned_of_the_list_that_the_campaign_went_to(shop: Shop) -> None:
    told = shop.campaign(unsub=0.5)
    shop.fill()
    said = {
        event["email"]: opt_out_of(*parsed(event), RECEIVED) for event in told if event["event"] == "unsub"
    }
    found = {
        event["email"]: opt_out_of(*parsed(event), RECEIVED)
        for event in shop.events()
        if event["event"] == "unsub"
    }
    assert len(found) == 10
    assert found == said
    assert {each.list_id for each in found.values() if each} == {shop.list_id}


def test_an_old_unsubscribe_does_not_undo_a_newer_addforce(shop: Shop) -> None:
    told = shop.campaign(unsub=1)
    at = {event["email"].lower(): event["time"] * 1000 for event in told if event["event"] == "unsub"}
    shop.fill()
    account = shop.account.id
    for email, offset in (("p0@example.com", 60_000), ("p1@example.com", -60_000)):
        contact = load_contacts(account, {email}).get(email) or Contact(email)
        contact.desired.apply_list_action(shop.list_id, ADDFORCE, at[email] + offset)
        save_learned(account, [contact])
    opt_outs = [opt_out_of(*parsed(event), RECEIVED) for event in shop.events() if event["event"] == "unsub"]
    consent.learn(account, [each for each in opt_outs if each], RECEIVED)

    def wished(email: str) -> str:
        return load_contacts(account, {email})[email].desired.actions()[shop.list_id]

    assert wished("p0@example.com") == ADDFORCE
    assert wished("p1@example.com") == UNSUB


class TestEstimate:
    def test_it_counts_messages_calls_and_time(self, shop: Shop) -> None:
        shop.campaign()
        plan = backfill.estimate(shop.client, shop.log, None, None)
        assert (plan.messages, plan.calls, plan.seconds, plan.log_since) == (20, 22, 5, None)
        assert plan.until - plan.since == timedelta(days=30)

    def test_messages_outside_of_the_time_are_not_meant(self, shop: Shop) -> None:
        shop.campaign()
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        before = backfill.estimate(shop.client, shop.log, an_hour_ago - timedelta(days=1), an_hour_ago)
        assert (before.messages, before.calls) == (0, 1)
        row = shop.work(backfill.start(shop.account, before))
        assert (row.state, row.done, shop.events()) == (State.ENDED, 0, [])

    def test_it_begins_where_the_log_does_unless_it_is_told_otherwise(self, shop: Shop) -> None:
        a_day_ago = int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000)
        shop.log.append([Entry(1, EMAIL_EVENT, 0, b"{}"), Entry(1, EMAIL_EVENT, a_day_ago, b"{}")])
        shop.log.retain(received_before=1, max_bytes=2**40, upto=10)
        log_since = datetime.fromtimestamp(a_day_ago / 1000, UTC)
        plan = backfill.estimate(shop.client, shop.log, None, None)
        assert (plan.since, plan.log_since) == (log_since, None)
        earlier = log_since - timedelta(days=1)
        assert backfill.estimate(shop.client, shop.log, earlier, None).log_since == log_since

    @pytest.mark.parametrize(
        ("since", "until"),
        [(datetime(2009, 1, 1, tzinfo=UTC), None), (datetime(2100, 1, 1, tzinfo=UTC), None),
         (datetime(2020, 1, 2, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))],
    )  # fmt: skip
    def test_times_that_cannot_be_are_refused(
        self, shop: Shop, since: datetime, until: datetime | None
    ) -> None:
        with pytest.raises(ConfigurationError, match=r"2010|Since"):
            backfill.estimate(shop.client, shop.log, since, until)


RECEIVED = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)


def parsed(event: dict[str, Any]) -> tuple[Any, str]:
    return parse(json.dumps(event).encode())[0], event["email"].lower()


class StopsAfter(threading.Event):
    """Is set when it has been looked at so often."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        if self.looks < 0:
            self.set()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(min(timeout or 0, 0.01))


class CancelsAfter(StopsAfter):
    def __init__(self, looks: int, row: Backfill) -> None:
        super().__init__(looks)
        self.row = row

    def set(self) -> None:
        backfill.cancel(self.row)


def one_row(**fields: Any) -> rows.MessageHistory:
    return rows.MessageHistory(**{"event_at": 1_600_000_000, "event_type": "bounced"} | fields)


@pytest.mark.parametrize(
    ("message", "state", "expected"),
    [
        ({"status": "bounce", "state_id": 1, "state_permanent": True}, "user unknown", True),
        ({"status": "bounce", "state_id": 3, "state_permanent": False}, "quota exceeded", False),
        ({"status": "bounce", "state_id": 1, "state_permanent": True}, "", True),
        ({"status": "bounce", "state_id": 1, "state_permanent": True}, "quota exceeded", None),
        ({"status": "hardbounced"}, "user unknown", True),
        ({"status": "softbounced"}, "user unknown", False),
        ({"status": "bounce", "state_permanent": "yes"}, "user unknown", None),
        ({"status": "opened", "state_permanent": True}, "user unknown", None),
    ],
)
def test_a_bounce_is_final_only_where_the_message_says_so(
    message: dict[str, Any], state: str, expected: Any
) -> None:
    event = message_history.event_of(
        rows.Message(id=1, **message), "bounce", 5, one_row(state=state), campaign=None
    )
    assert event.get("hard_bounce") is expected


def test_what_cannot_be_read_of_a_history_is_left_out() -> None:
    now = 1_700_000_000_000
    bad = [
        one_row(event_type="deferred"),
        one_row(event_type=None),
        one_row(event_type=["sent"]),
        one_row(event_at="soon"),
        one_row(event_at=None),
        one_row(event_at=True),
        one_row(event_at=-5),
        one_row(event_at=5),
        one_row(event_at=1_800_000_000),
        one_row(event_at=10**30),
    ]
    good = one_row(event_at="1600000000", event_type="opened")
    assert message_history.events_in([*bad, good], now) == [("open", 1_600_000_000, good)]


ODD: list[Any] = [
    None, True, 0, -1, 12, 2**63, 10**400, 1.5, 1e308, "", "12", "-5", "9" * 4_301, "x" * 9_000, "\x00", "\ud800", "bounce",
    "2020-01-01T00:00:00", 1_600_000_000, "user unknown", "a@example.com", [], {}, [[]],
]  # fmt: skip
NAMES = [
    "uuid",
    "contact_alt",
    "contact_id",
    "campaign_id",
    "custom_id",
    "status",
    "state_id",
    "state_permanent",
]


def odd(*names: str) -> mk.Maker[dict[str, Any]]:
    return lambda random: {name: random.choice(ODD) for name in names}


@fuzz(
    PURE,
    message=odd(*NAMES),
    row=odd("event_at", "comment", "state", "useragent"),
    event_type=mk.sampled_from([*message_history.EVENT_TYPE]),
    click=odd("clicked_at", "url"),
)
def test_whatever_mailjet_answers_becomes_an_event_that_is_read_or_nothing(
    message: dict[str, Any], row: dict[str, Any], event_type: str, click: dict[str, Any]
) -> None:
    found = rows.MessageHistory(event_type=event_type, **row)
    for event, at, _ in message_history.events_in([found], 1_700_000_000_000):
        made = message_history.event_of(rows.Message(id=2**60, **message), event, at, found, campaign=None)
        body = msgspec.json.encode(made)
        typed, _ = parse(body)
        assert (typed.event, typed.time, typed.message_id) == (event, at, 2**60)
        assert len(body) < 50_000
    for at, url in message_history.links([rows.ClickStatistic(message_id=1, **click)]):
        assert (at, type(url)) == (1_577_836_800, str)


def test_known_events_are_found_as_mailjet_writes_them(
    event_log: SqliteEventLog, put: Callable[..., None], appended: Callable[..., list[Record]]
) -> None:
    put(
        {"event": "open", "time": 1_600_000_000, "MessageID": 2**60},
        {"event": "open", "time": "1600000001", "MessageID": str(2**60)},
        {"event": "sent", "time": 1_600_000_000, "MessageID": 7},
        b"{}",
        b"[",
        b'{"event": 5}',
    )
    put({"event": "click", "time": 1_600_000_000, "MessageID": 8}, source=6)
    put({"event": "click", "time": 1_600_000_000, "MessageID": 8}, kind="track")
    known = KnownEvents(event_log, 5, 0)
    assert not known.has(2**60, "open", 1_600_000_000)
    known.catch_up()
    assert [known.has(2**60, "open", 1_600_000_000 + each) for each in (-1, 0, 1, 2)] == [
        False, True, True, False
    ]  # fmt: skip
    assert [known.has(7, "sent", 1_600_000_000 + each) for each in (-2, -1, 0, 1, 2)] == [
        False, True, True, True, False
    ]  # fmt: skip
    assert known.has_first(7, "sent")
    assert not known.has_first(7, "blocked")
    assert not known.has(8, "click", 1_600_000_000)
    put({"event": "click", "time": 1_600_000_000, "MessageID": 8})
    known.catch_up()
    assert known.has(8, "click", 1_600_000_000)
    known.close()


def test_a_retry_after_is_waited_for(shop: Shop) -> None:
    """The last one here: it slows the calls of the key for a while."""
    it_waits_for(shop, {"kind": "status", "status": 429, "retry_after": 1, "times": 1})
