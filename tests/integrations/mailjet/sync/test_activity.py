"""A stream that brings news of the same people again and again: calls go by people and time, not by messages."""

import time

import pytest

from jetbridge.control.directory import load_accounts
from jetbridge.delivery.consumer import Consumer
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.sync import reconcile
from jetbridge.integrations.mailjet.sync.reconcile import Reconciler, SendPolicy
from jetbridge.integrations.mailjet.sync.unsubscribes import Unsubscribes

from .conftest import Bridge

JOBS = "POST contactslist/managemanycontacts"
PEOPLE, SECONDS, LINGER_MS, REST_MS = 30, 2, 100, 500


def start(bridge: Bridge, quiet_ms: int, rest_ms: int = REST_MS) -> None:
    """Start with another pace: contacts with news again and again are sent twice a second, or when the stream is quiet for so long."""
    consumer = Consumer(
        event_log=bridge.log,
        destination_id=bridge.destination.id,
        destination=MAILJET.open(bridge.destination),
        route=MAILJET.route(bridge.destination),
    )
    (account,) = load_accounts()
    policy = SendPolicy(linger_ms=LINGER_MS, debounce_ms=quiet_ms, cooldown_ms=rest_ms)
    reconciler = Reconciler(
        account, lambda: {bridge.destination.id: bridge.list_id}, Unsubscribes(account, list), policy=policy
    )
    bridge.threads.keep({"consumer": (1, consumer.run), "reconcile": (1, reconciler.run)})


def stream(bridge: Bridge) -> int:
    """News of everybody every 50 ms; how often."""
    until, times = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        times += 1
        bridge.log.append(
            bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "visits": times}) for n in range(PEOPLE)
        )
        time.sleep(0.05)
    return times


@pytest.mark.parametrize("body", [5_000, PEOPLE // 2])
def test_each_contact_is_told_now_and_then_however_often_it_is_spoken_of(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, body: int
) -> None:
    monkeypatch.setattr(reconcile, "MAX_CONTACTS", body)
    start(bridge, 2_000)  # a machine that stumbles is not quiet yet
    began = time.monotonic()
    times = stream(bridge)
    assert bridge.settle().delivered == times * PEOPLE
    bodies = -(-PEOPLE // body)
    assert bridge.calls()[JOBS] <= bodies * ((time.monotonic() - began) * 1_000 / REST_MS + 3)
    assert [bridge.properties(f"p{n}@b.com") for n in range(PEOPLE)] == [{"visits": times}] * PEOPLE


def test_others_do_not_rest_as_long_as_those_with_news_again_and_again(bridge: Bridge) -> None:
    start(bridge, quiet_ms=1_000_000, rest_ms=1_000_000)
    bridge.log.append(bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(PEOPLE))
    assert bridge.settle().delivered == PEOPLE


def test_when_the_stream_ends_the_last_news_are_told_at_once(bridge: Bridge) -> None:
    start(bridge, 300)
    stream(bridge)
    ended = time.monotonic()
    bridge.settle()
    assert time.monotonic() - ended < 10
