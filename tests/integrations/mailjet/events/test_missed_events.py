"""Events that were missed are a light until a backfill has ended: after a suspension, and where no callback comes at all."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from jetbridge.alerts.watch import violations
from jetbridge.cli import account as figures
from jetbridge.cli.status import as_object
from jetbridge.control import directory
from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.delivery.light import Light
from jetbridge.ingest.metrics import metrics
from jetbridge.integrations.mailjet.events import callbacks, missed_events
from jetbridge.integrations.mailjet.events.callbacks import CallbackRegistrar
from jetbridge.integrations.mailjet.models import Backfill, CallbackWatch, State

from .test_backfill import Shop, shop

__all__ = ["shop"]

URL = callbacks.events_url("http://127.0.0.1:9", "t0ken")  # nobody listens there
LIST_OF_MESSAGES = "GET /v3/REST/message"


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(shop: Shop, clock: Clock) -> CallbackRegistrar:
    [ref] = [row for row in directory.load_accounts() if row.id == shop.account.id]
    return CallbackRegistrar(shop.client, URL, ref, shop.log, now=clock)


def light() -> Light | None:
    lights = list(missed_events.lights())
    return lights[0] if lights else None


def suspend(shop: Shop, event_type: str = "open") -> None:
    [row] = [row for row in shop.client.eventcallbackurls() if row.event_type == event_type]
    shop.client._call("POST", f"/v3/REST/eventcallbackurl/{row.id}/test")
    deadline = time.monotonic() + 60
    while "dead" not in {row.status for row in shop.client.eventcallbackurls()}:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def listings(shop: Shop) -> int:
    """How often the list of messages was read."""
    return sum(total for call, total in shop.calls().items() if call.startswith(LIST_OF_MESSAGES))


def test_a_suspension_is_a_light_everywhere_until_a_backfill_has_ended(
    shop: Shop, keeper: CallbackRegistrar, clock: Clock
) -> None:
    keeper.check()
    assert not light()
    registered_at, clock.now = clock.now, clock.now + timedelta(days=3)
    suspend(shop)
    keeper.check()

    source = shop.account.event_source_id
    lights = [row for row in as_object(figures.read())["lights"] if row["code"] == "EMAIL_EVENTS_MISSED"]
    [shown] = lights
    since = registered_at - timedelta(days=1)
    assert (shown["thing"], shown["state"], shown["since"]) == (f"source:{source}", "fail", since.isoformat())
    assert "Mailjet had suspended the callback URLs of " in shown["message"]
    assert f"destinations backfill --account {shop.account.id} --since {since:%Y-%m-%dT%H:%M}" in shown["fix"]
    labels = f'code="EMAIL_EVENTS_MISSED",state="fail",thing="source:{source}"'
    assert f"jetbridge_light{{{labels}}} 1.0" in metrics(shop.log, {}).decode()
    rule = AlertRule(workspace=shop.account.workspace, kind=AlertKind.STALL)
    found = violations(rule, {}, list(missed_events.lights()), clock.now) or []
    assert [row.thing for row in found] == [f"source:{source}"], (
        "who is alerted of standstills is of this, too"
    )

    keeper.check()
    assert light(), "what was missed is missed, though the URL is alive again"
    row = shop.start()
    assert light(), "nor is it there yet"
    CallbackWatch.objects.update(
        noticed_at=datetime.now(UTC) - timedelta(seconds=1)
    )  # the clock of the test is ahead
    assert shop.work(
        Backfill.objects.create(
            account=shop.account, since=row.since, until=row.until, messages=0, state=State.FAILED
        )
    ).state
    assert light(), "one that failed adds nothing"
    shop.work(row)
    assert not light()


def test_a_suspension_that_somebody_else_ends_is_noticed_as_well(shop: Shop, clock: Clock) -> None:
    callbacks.ensure(shop.client, URL)
    suspend(shop)
    callbacks.repair(shop.client, shop.account.id, URL, now=clock.now)
    found = light()
    assert found
    assert found.since == clock.now - missed_events.LONGEST_UNKNOWN - missed_events.REPEATED_FOR, (
        "nobody knows since when"
    )


def test_messages_without_any_callback_are_noticed_by_one_call_an_hour(
    shop: Shop, keeper: CallbackRegistrar, clock: Clock
) -> None:
    keeper.check()
    watched_since = clock.now
    CallbackWatch.objects.update(watched_since=watched_since - timedelta(hours=1))
    shop.fault("lost_events")
    shop.campaign(open=0.5)
    assert listings(shop) == 0

    for minutes in range(0, 240, 20):
        clock.now = watched_since + timedelta(minutes=minutes)
        keeper.check()
        if minutes < 60:
            assert not light(), "a callback may be late"
        elif minutes >= 80:
            assert light(), minutes
    assert listings(shop) <= 4, "in four hours"
    found = light()
    assert found
    assert "Mailjet has sent messages, and no callback has come of them" in found.message


@pytest.mark.parametrize("what", ["a callback came", "nothing was sent", "its events go elsewhere"])
def test_it_is_dark_where_nothing_was_missed(
    shop: Shop, keeper: CallbackRegistrar, clock: Clock, what: str
) -> None:
    theirs = "https://hooks.example.com/x"
    if what == "its events go elsewhere":
        for event_type in ("sent", "open", "click", "bounce", "blocked", "spam", "unsub"):
            shop.client.create_eventcallbackurl(event_type, theirs)
    keeper.check()
    CallbackWatch.objects.update(watched_since=clock.now - timedelta(hours=1))
    if what != "nothing was sent":
        shop.fault("lost_events")
        told = shop.campaign(open=0.5)
        if what == "a callback came":
            shop.receive(*told)
    clock.now += timedelta(hours=3)
    keeper.check()
    assert not light()


def test_an_account_without_its_event_source_has_no_light(shop: Shop, keeper: CallbackRegistrar) -> None:
    keeper.check()
    suspend(shop)
    keeper.check()
    assert light()
    shop.account.event_source.enabled = False
    shop.account.event_source.save()
    assert not light()
