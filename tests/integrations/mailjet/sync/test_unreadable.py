"""Contacts that nobody can read are found before anybody meets them, and stop nobody else."""

import json
from functools import partial
from threading import Event

import pytest

from jetbridge.control import directory
from jetbridge.errors import PermanentError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Entry
from jetbridge.integrations.mailjet.contacts import consent, unreadable
from jetbridge.integrations.mailjet.contacts.consent import OptOut
from jetbridge.integrations.mailjet.contacts.contact import load_readable
from jetbridge.integrations.mailjet.events.name_lookup import NameLookup
from jetbridge.integrations.mailjet.events.reader import EmailEventReader, retry_failed
from jetbridge.integrations.mailjet.sync import results
from jetbridge.integrations.mailjet.sync.remote import Reads
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes

from .conftest import Bridge
from .test_consent import LATER_MS
from .test_isolation import COLUMNS, lights, settings_of, spoil


@pytest.mark.parametrize("column", COLUMNS)
def test_a_contact_that_nobody_can_read_is_found_before_anybody_meets_it(bridge: Bridge, column: str) -> None:
    for index in range(5):
        bridge.send(f"u{index}", {"email": f"u{index}@example.com"})
    bridge.merge()
    unreadable.sweep(Event())
    assert lights(bridge) == []
    spoil("u1@example.com", column)
    unreadable.sweep(Event())
    assert lights(bridge) == [("CONTACT_UNREADABLE", "fail")]
    spoil("u1@example.com", column, b"{}")
    assert lights(bridge) == []


class TestConsent:
    """A contact that nobody can read stops nobody else's consent, and what is said of it is not lost."""

    @pytest.fixture
    def account(self, bridge: Bridge) -> int:
        for index in range(3):
            bridge.send(f"u{index}", {"email": f"u{index}@example.com"})
        bridge.start()
        bridge.rest()
        bridge.threads.stop()
        return settings_of(bridge)[0]

    @pytest.mark.parametrize("column", COLUMNS)
    def test_that_of_the_others_is_learned(self, bridge: Bridge, account: int, column: str) -> None:
        spoil("u1@example.com", column)
        said = [OptOut(f"u{index}@example.com", LATER_MS) for index in range(3)]
        assert consent.learn(account, said, LATER_MS) == [said[1]]
        contacts = load_readable(account, [each.email for each in said])
        assert {email: row.desired.opted_out for email, row in contacts.items()} == {
            "u0@example.com": LATER_MS,
            "u2@example.com": LATER_MS,
        }
        assert lights(bridge) == [("CONTACT_UNREADABLE", "fail")]
        spoil("u1@example.com", column, b"{}")
        assert consent.learn(account, said, LATER_MS) == []

    def test_an_old_address_learns_what_the_new_one_cannot(self, bridge: Bridge, account: int) -> None:
        bridge.send("u1", {"email": "new@example.com"})
        bridge.merge()
        spoil("new@example.com", "desired")
        said = OptOut("u1@example.com", LATER_MS)
        assert consent.learn(account, [said], LATER_MS) == [said]
        [old] = load_readable(account, ["u1@example.com"]).values()
        assert old.desired.opted_out == LATER_MS

    def test_unsubscribes_at_mailjet_are_learned_of_the_others(self, bridge: Bridge, account: int) -> None:
        for index in range(3):
            body = {"Email": f"u{index}@example.com", "Action": "unsub"}
            bridge.mailjet.managecontact(bridge.list_id, body)
        spoil("u1@example.com", "desired")
        [ref] = directory.load_accounts()
        watch = Unsubscribes(ref, lambda: [bridge.list_id])
        assert watch.scan(Reads(bridge.mailjet, per_second=10_000), Event()) == 2
        assert lights(bridge) == [("CONTACT_UNREADABLE", "fail")]

    def test_an_event_of_such_a_contact_waits_to_be_retried(self, bridge: Bridge, account: int) -> None:
        [ref] = directory.load_accounts()
        reader = EmailEventReader(
            event_log=bridge.log,
            source=ref.event_source,
            user_ids=lambda _: {},
            learn=partial(consent.learn, account, now=LATER_MS),
            names=NameLookup(bridge.mailjet),
        )
        kinds = ["unsub", "unsub", "open"]
        events = [
            {"event": kind, "time": 1_790_000_000, "MessageID": 7, "email": f"u{index}@example.com"}
            for index, kind in enumerate(kinds)
        ]
        spoil("u1@example.com", "desired")
        after = bridge.log.counts().end
        bridge.log.append(
            Entry(ref.event_source, EMAIL_EVENT, LATER_MS, json.dumps(event).encode()) for event in events
        )
        reader._process(bridge.log.read(after))
        made = bridge.log.read(after + 3)
        assert sorted(row.type for row in made) == [INVALID, "track", "track"]
        [failed] = [row for row in made if row.type == INVALID]
        assert (failed.error or "").startswith("internal_error: ")
        assert "Run `jetbridge contacts verify --repair`" in (failed.error or "")

        spoil("u1@example.com", "desired", b"{}")
        assert retry_failed(bridge.log, ref.event_source) == 1
        reader._process(bridge.log.read(after + 6))
        assert [row.type for row in bridge.log.read(after + 7)] == ["track"]
        [contact] = load_readable(account, ["u1@example.com"]).values()
        assert contact.desired.opted_out

    def test_messages_that_failed_by_a_list_wait_again_of_the_others(
        self, bridge: Bridge, account: int
    ) -> None:
        bridge.send("u0", {"email": "u0@example.com", "plan": "x"})
        bridge.send("u1", {"email": "u1@example.com", "plan": "x"})
        bridge.merge()
        error = PermanentError("REFUSED", "No.")
        refusals = []
        for email in ("u0@example.com", "u1@example.com"):
            [contact] = load_readable(account, [email]).values()
            refusals.append(results.ContactUpdateResult(email, contact.pending, error=error))
            results.acknowledge_single(account, LATER_MS, refusals[-1])
        spoil("u1@example.com", "desired")
        results.revert_failures(account, LATER_MS, refusals)
        assert bridge.report().reasons["failed"] == {"REFUSED": 1}
        assert load_readable(account, ["u0@example.com"])["u0@example.com"].pending
        assert lights(bridge) == [("CONTACT_UNREADABLE", "fail")]
