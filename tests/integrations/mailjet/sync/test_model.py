"""Whatever comes, in whatever order, with whatever trouble: at rest Mailjet holds what ten lines of Python say.

A state machine sends identifies, unsubscribes, changes of address and deletions, late, twice and out of
order, lets the sandbox fail, and crashes the destination before or after any call to Mailjet and inside any
transaction. Time is played; HTTP, the log and the state database are real.
"""

import json
import os
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from jetbridge.control import directory
from jetbridge.delivery import ledger
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.delivery.pauses import PauseRegistry
from jetbridge.delivery.report import report
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient, Transport
from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact as ContactRow
from jetbridge.integrations.mailjet.sync.reconcile import Reconciler, SendPolicy
from jetbridge.integrations.mailjet.sync.remote import Reads
from jetbridge.integrations.mailjet.sync.remote import moment as noted_at
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes
from jetbridge.privacy import erasure
from jetbridge.privacy.erasure import Eraser
from jetbridge.privacy.models import Erasure
from jetbridge.spec.message import Message, encode
from jetbridge.spec.person import Identity
from jetbridge.worker.plan import erasure_handlers
from mailjet_sandbox.server import running
from mailjet_sandbox.settings import Settings

from .test_owners import Reference
from .test_replay import Call

#: More examples find more: MODEL_EXAMPLES=1000 for a long run by hand (five a second).
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "25"))
USERS = ("ada", "bob", "eve")
#: Addresses that several of them use.
SHARED = ("info@b.com", "team@b.com", "office@b.com")
#: The played clock begins long after everything that is said (ms).
NOW = 4_000_000_000_000
FAULTS: dict[str, dict[str, Any]] = {
    "5xx": {"kind": "status", "status": 503, "rate": 0.3},
    "lost answer": {"kind": "reset", "when": "after", "rate": 0.3},
    "reset": {"kind": "reset", "rate": 0.3},
    "cut off": {"kind": "corrupted_response", "body": "truncated", "when": "after", "rate": 0.3},
    "html": {"kind": "corrupted_response", "body": "html", "rate": 0.3},
    "job error": {"kind": "job_error", "status": "Error", "message": "Internal error", "rate": 0.5},
    "late properties": {"kind": "late_properties", "seconds": 0.05},
    "one list": {"kind": "status", "status": 503, "endpoint": "POST contactslist/{list}/*"},
    "job of one list": {"kind": "status", "status": 503, "endpoint": "POST contactslist/{list}/managemany*"},
}


#: After so many rounds of work without trouble nothing may be left to do.
ROUNDS_TO_REST = 40


class Said(NamedTuple):
    user: str
    time: int
    email: str | None
    traits: dict[str, Any]
    list_id: int
    action: str


class Model:
    """What Segment knows, as a list of everything said."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.refused: list[tuple[str, int, int | None]] = []  # user, time, list (None: all)
        self.forgotten: set[str] = set()

    def contacts(self) -> dict[str, tuple[dict[str, Any], dict[int, bool]]]:
        """Address -> properties, and list -> subscribed, of everybody who has an address and is not forgotten."""
        found = {}
        for user in set(USERS) - self.forgotten:
            calls = sorted((said for said in self.said if said.user == user), key=lambda said: said.time)
            emails = [said.email for said in calls if said.email]
            traits: dict[str, Any] = {}
            wishes = {said.list_id: [(0, "addforce")] for said in calls}
            for said in calls:
                traits |= said.traits
                wishes[said.list_id] += [(said.time, said.action)] if said.action != "addnoforce" else []
            for who, at, of in self.refused:
                for list_id in wishes if of is None else {of} & wishes.keys():
                    wishes[list_id] += [(at, "unsub")] if who == user else []
            if emails:
                found[emails[-1]] = traits, {of: max(each)[1] == "addforce" for of, each in wishes.items()}
        return found


class Crash(BaseException):
    """The process is gone."""


class Clock(Event):
    """Played time, and the Event by which a thread waits: waiting costs nothing."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self._waits = waits

    ms = NOW

    def wait(self, timeout: float | None = None) -> bool:
        Clock.ms += int(1000 * (timeout or 0)) + 1
        time.sleep(0.001)
        self._waits -= 1
        if self._waits <= 0:
            self.set()
        return self.is_set()


class Machine(RuleBasedStateMachine):
    """A destination that works now and then, with trouble. `home` and `sandbox` are set by the test."""

    home: Path
    sandbox: Any

    def __init__(self) -> None:
        super().__init__()
        call_command("flush", verbosity=0, interactive=False)
        self._control("reset", {"state": True})
        self.direct = MailjetClient(self.sandbox.url, "public", "private")
        self.lists = [self.direct.create_contactslist(name).id for name in ("One", "Two")]
        (self.home / "eventlog.db").unlink(missing_ok=True)
        for name in ("eventlog.db-wal", "eventlog.db-shm"):
            (self.home / name).unlink(missing_ok=True)
        self.log = SqliteEventLog(self.home / "eventlog.db")
        joined = connect.join(
            connect.ConnectionSpec("Shop", self.sandbox.url, "public", "private", self.lists[0], "One")
        )
        self.workspace, self.source = joined.workspace.id, joined.http_source.id
        (self.ref,) = directory.load_destinations()
        ledger.begin_destination(self.ref.id, self.ref.source_kinds, self.log.counts())
        #: What is said was said before what Mailjet notes, unless it says that it was said afterwards.
        self.begin = int(time.time() - 60) * 1000
        self.sent: list[Entry] = []
        self.crash_in: int | None = None

    # What goes wrong, and again

    @precondition(lambda self: self.sent)
    @rule(number=st.integers(0, 1_000))
    def repeat(self, number: int) -> None:
        self.log.append([self.sent[number % len(self.sent)]])

    @rule(name=st.sampled_from(sorted(FAULTS)), times=st.integers(1, 3))
    def fault(self, name: str, times: int) -> None:
        fault = FAULTS[name] | ({} if name == "late properties" else {"times": times})
        if "endpoint" in fault:
            fault["endpoint"] = fault["endpoint"].format(list=self.lists[1])
        self._control("faults", {"faults": [fault]})

    @rule(after=st.integers(0, 12))
    def crash_soon(self, after: int) -> None:
        self.crash_in = after

    @rule(waits=st.integers(1, 15))
    def work(self, waits: int) -> None:
        """As far as it comes; everything in memory is gone afterwards."""
        with self._crashing():
            for run in self._runs():
                run(Clock(waits))

    def teardown(self) -> None:
        self.crash_in = None
        self._end_faults()
        for _ in range(ROUNDS_TO_REST):
            if not self._is_busy():
                break
            for run in self._runs():
                run(Clock(20))
        assert not self._is_busy(), list(ContactRow.objects.values())
        Unsubscribes(self._account, lambda: self.lists, now=lambda: Clock.ms).scan(
            Reads(self.direct, sleep=lambda _: False), Event()
        )
        assert not self._is_busy(), "nothing was left to learn from Mailjet"
        self._compare()
        self.log.close()

    def _compare(self) -> None:
        (row,) = report(self.log.counts)
        assert row.balanced
        assert row.pending == 0
        assert row.failed == 0, list(DeliveryRecordRow.objects.values_list("detail", "request"))

    # The destination

    @property
    def _account(self) -> directory.AccountRef:
        (account,) = directory.load_accounts()
        return account

    def _runs(self) -> list[Callable[[Clock], None]]:
        """One consumer and one reconciler, as after a start of the worker."""
        consumer = Consumer(
            event_log=self.log,
            destination_id=self.ref.id,
            destination=MAILJET.open(self.ref),
            route=MAILJET.route(self.ref),
            clock=lambda: Clock.ms / 1000,
        )
        reconciler = Reconciler(
            self._account,
            lambda: {self.ref.id: self.lists[0]},
            Unsubscribes(self._account, lambda: self.lists),
            policy=SendPolicy(),
            now=lambda: Clock.ms,
        )
        reconciler._pauses = PauseRegistry(lambda: Clock.ms / 1000)
        return [consumer.run, reconciler.run, self._erase]

    def _erase(self, _: Clock) -> None:
        for row in Erasure.objects.filter(ended_at=None):
            Eraser(self.log, erasure_handlers).step(row)

    def _is_busy(self) -> bool:
        (row,) = report(self.log.counts)
        return bool(
            row.pending
            or ContactRow.objects.exclude(next_attempt_at=None, job_id=None).exists()
            or Erasure.objects.filter(ended_at=None).exists()
        )

    @contextmanager
    def _crashing(self) -> Iterator[None]:
        """Let the process die at a call to Mailjet (before or after it), or before a transaction's end."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Transport, "call", _fragile(Transport.call, self._countdown))
            patch.setattr(ledger, "add", _fragile(ledger.add, self._countdown))
            try:
                yield
            except Crash:
                self.crash_in = None

    def _countdown(self) -> None:
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                raise Crash

    def _send(self, entry: Entry) -> None:
        self.sent.append(entry)
        self.log.append([entry])

    def _end_faults(self) -> None:
        request = urllib.request.Request(f"{self.sandbox.url}/sandbox/faults", method="DELETE")
        urllib.request.urlopen(request).close()

    def _control(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"{self.sandbox.url}/sandbox/{path}", json.dumps(body).encode(), method="POST"
        )
        urllib.request.urlopen(request).close()


class People(Machine):
    """Each user has addresses that nobody else has; what they say of mail is told on every way."""

    def __init__(self) -> None:
        super().__init__()
        self.noted = 0
        self.model = Model()
        self.addresses: defaultdict[str, set[str]] = defaultdict(set)

    @rule(
        user=st.sampled_from(USERS),
        address=st.sampled_from([None, None, "one", "two", "three"]),
        at=st.integers(0, 50),
        traits=st.dictionaries(st.sampled_from(["plan", "city"]), st.sampled_from(["a", "b", "c"])),
        of=st.sampled_from([0, 0, 0, 1]),
        action=st.sampled_from(["addnoforce"] * 6 + ["addforce", "unsub"]),
    )
    def identify(
        self, *, user: str, address: str | None, at: int, traits: dict[str, Any], of: int, action: str
    ) -> None:
        number = len(self.sent)
        # No two at once; in the end an addforce may be the last word.
        begin = self.noted if at > 45 and action == "addforce" else self.begin + at * 1000
        moment = (begin or self.begin) + 1 + number
        email = f"{user}.{address}@b.com" if address else None
        integrations = {"Mailjet": {"listId": self.lists[of], "action": action}}
        message = Message(
            type="identify",
            message_id=f"m-{number}",
            timestamp=_time(moment),
            received_at=_time(self.begin + 10**6 + number),
            user_id=user,
            traits=traits | ({"email": email} if email else {}),
            integrations=integrations,
        )
        self._send(Entry(self.source, "identify", self.begin, encode(message)))
        self.model.said.append(Said(user, moment, email, traits, self.lists[of], action))
        self.addresses[user].update([email] if email else [])

    @rule(user=st.sampled_from(USERS), of=st.sampled_from([0, 1]))
    def unsubscribe(self, user: str, of: int) -> None:
        """By a mail that reached one of its addresses: Mailjet knows it, and sends an event."""
        if user in self.model.forgotten or self._spoke_within_the_second(user):
            return
        self._end_faults()
        list_id = self.lists[of]
        for email in sorted(self.addresses[user]):
            rows = self.direct.getcontactslists(email)
            if any(row.list_id == list_id and row.is_active for row in rows):
                self.direct.managecontactslists(email, {list_id: "unsub"})
                moment = self._unsubscribed_at(list_id, email)
                learn(self._account.id, [OptOut(email, moment, list_id)], Clock.ms)
                self.model.refused.append((user, moment, list_id))
                self.noted = max(self.noted, moment)
                return

    @rule(user=st.sampled_from(USERS), at=st.integers(0, 50))
    def complain(self, user: str, at: int) -> None:
        """Perhaps before we have read of the address."""
        for email in sorted(self.addresses[user]):
            if user not in self.model.forgotten:
                moment = self.begin + at * 1000 + 900
                learn(self._account.id, [OptOut(email, moment)], Clock.ms)
                self.model.refused.append((user, moment, None))
                return

    @rule(user=st.sampled_from(USERS), by_call=st.booleans())
    def forget(self, user: str, *, by_call: bool) -> None:
        if user in self.model.forgotten or len(self.model.forgotten) == len(USERS) - 1:
            return
        self.model.forgotten.add(user)
        if not by_call:
            erasure.request(self.workspace, Identity(frozenset({user})))
            return
        moment = _time(self.begin)
        message = Message(type="delete", message_id="d", timestamp=moment, received_at=moment, user_id=user)
        self._send(Entry(self.source, "delete", self.begin, encode(message)))

    def _compare(self) -> None:
        super()._compare()
        expected = self.model.contacts()
        for email in set().union(*self.addresses.values()):
            held = self.direct.getcontactslists(email)
            subscribed = {each.list_id: not each.is_unsub for each in held if each.is_active}
            if email in expected:
                assert (self.direct.contactdata(email), subscribed) == expected[email], email
            else:
                assert not any(subscribed.values()), email
        for user in self.model.forgotten:
            assert [each for each in self.addresses[user] if self.direct.contact(each)] == []

    def _spoke_within_the_second(self, user: str) -> bool:
        """Mailjet notes seconds: what came first in one of them cannot be told."""
        return any(said.user == user and said.time > (time.time() - 1) * 1000 for said in self.model.said)

    def _unsubscribed_at(self, list_id: int, email: str) -> int:
        contact = self.direct.contact(email)
        assert contact is not None
        for page in Reads(self.direct, sleep=lambda _: False).listrecipients(list_id, Unsub="true"):
            for row in page:
                if row.contact_id == contact.id:
                    return noted_at(row.unsubscribed_at) or 0
        raise AssertionError(email)


class Neighbours(Machine):
    """Users take each other's addresses, and share them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    @rule(
        user=st.sampled_from([*USERS, *USERS, None]),
        address=st.sampled_from([None, *SHARED]),
        at=st.integers(0, 20),
        traits=st.dictionaries(st.sampled_from(["plan", "name"]), st.sampled_from(["a", "b", "c"])),
        of=st.sampled_from([0, 0, 0, 1]),
    )
    def identify(
        self, *, user: str | None, address: str | None, at: int, traits: dict[str, Any], of: int
    ) -> None:
        traits |= {"email": address} if address else {}
        self.calls.append(Call(user, traits, at, list_id=self.lists[of]))
        message = Message(
            type="identify",
            message_id=f"m-{len(self.sent)}",
            timestamp=_time(self.begin + at * 1000),
            received_at=_time(self.begin + 10**6),
            user_id=user,
            traits=traits,
            integrations={"Mailjet": {"listId": self.lists[of]}},
        )
        self._send(Entry(self.source, "identify", self.begin, encode(message)))

    def _compare(self) -> None:
        super()._compare()
        reference = Reference(self.calls)
        for email in SHARED:
            on = {each.list_id for each in self.direct.getcontactslists(email) if each.is_active}
            assert on == reference.wishes(email).keys(), email
            if on:
                values = {name: json.loads(value) for name, value in reference.values(email).items()}
                contact = self.direct.contact(email)
                assert self.direct.contactdata(email) == values, email
                assert contact is not None
                assert contact.name == values.get("name", ""), email


def _fragile(call: Callable[..., Any], countdown: Callable[[], None]) -> Callable[..., Any]:
    """The call, where the process may die before it or with its answer."""

    def fragile(*arguments: Any, **named: Any) -> Any:
        countdown()
        answer = call(*arguments, **named)
        countdown()
        return answer

    return fragile


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", [People, Neighbours])
def test_at_rest_mailjet_holds_what_the_model_says(home: Path, kind: type[Machine]) -> None:
    with running(Settings(api_key="public", secret_key="private", job_delay_seconds=0.0)) as sandbox:
        machine = type("Machine", (kind,), {"home": home, "sandbox": sandbox})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
