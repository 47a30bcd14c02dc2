"""Alerts open once, are sent over real HTTP and SMTP, again if need be, and say when they are resolved."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from jetbridge.alerts import notifications, watch
from jetbridge.alerts.notifications import TRIES, NotificationSender, send
from jetbridge.alerts.watch import AFTER, AlertWatch, Standby
from jetbridge.control.alerts import Alert, AlertKind, AlertNotification, AlertRule
from jetbridge.control.factories import new_workspace
from jetbridge.control.models import Destination, Source, SourceKind, Workspace
from jetbridge.control.people import Membership, Role, User
from jetbridge.delivery import metrics, pauses
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import ConsumerOffset, HeartbeatRow, MetricBucket, destination_consumer
from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.text import pluralize


@dataclass
class Watched:
    """A workspace under watch, at a time that the test moves."""

    workspace: Workspace
    destination: Destination
    source: Source
    now: datetime
    last_seen: dict[int, int] | None

    def rule(self, kind: AlertKind, **more: Any) -> AlertRule:
        return AlertRule.objects.create(workspace=self.workspace, kind=kind, since=self.now, **more)

    def look(self, lights: Sequence[Light] | None = None) -> list[Alert]:
        AlertWatch(lambda _: self.last_seen, lambda: self.now, lambda: lights).step()
        return list(Alert.objects.order_by("id"))

    def send(self) -> None:
        NotificationSender(lambda: self.now).step()

    def pause(self) -> None:
        pauses.pause(destination_consumer(self.destination.id), "FORBIDDEN", "Mailjet answered 403.")

    def release(self) -> None:
        pauses.resume(destination_consumer(self.destination.id))

    def count(self, outcome: str, total: int) -> None:
        MetricBucket.objects.create(
            destination_id=self.destination.id, minute=metrics.now(), outcome=outcome, total=total
        )


@pytest.fixture
def watched(home: Path) -> Watched:
    workspace = Workspace.objects.create(name="Shop")
    destination = workspace.destinations.create(kind="mailjet", name="Mailjet")
    ConsumerOffset.objects.create(consumer=destination_consumer(destination.id), position=0)
    source = workspace.sources.create(kind=SourceKind.HTTP, name="Website")
    return Watched(workspace, destination, source, datetime.now(UTC), {})


def test_a_hold_is_told_once_and_its_end_is_told(watched: Watched, receiver: Any) -> None:
    watched.rule(AlertKind.PAUSE, webhook_url=receiver.url)
    assert watched.look() == []
    watched.pause()
    (alert,) = watched.look()
    assert (alert.name, alert.message) == ("Mailjet", "It is paused (FORBIDDEN): Mailjet answered 403.")
    assert watched.look() == [alert]
    watched.send()
    watched.send()
    watched.release()
    (alert,) = watched.look()
    assert alert.ended_at == watched.now
    watched.send()
    events = [json.loads(body) for _, body in receiver.posts]
    assert [row["event"] for row in events] == ["alert.opened", "alert.resolved"]
    assert [row["id"] for row in events] == [f"alert-{alert.id}-opened", f"alert-{alert.id}-resolved"]
    assert events[0]["thing"] == {"type": "destination", "id": watched.destination.id, "name": "Mailjet"}
    assert (events[0]["endedAt"], events[1]["endedAt"] is None) == (None, False)


def test_another_hold_is_another_alert(watched: Watched) -> None:
    watched.rule(AlertKind.PAUSE, emails="a@example.com")
    for _ in range(2):
        watched.pause()
        watched.look()
        watched.release()
        watched.look()
    assert [row.ended_at is None for row in Alert.objects.all()] == [False, False]
    assert AlertNotification.objects.count() == 4


def test_a_destination_that_is_switched_off_is_no_news(watched: Watched) -> None:
    watched.rule(AlertKind.PAUSE, emails="a@example.com")
    watched.pause()
    Destination.objects.update(enabled=False)
    assert watched.look() == []


def test_other_workspaces_are_not_looked_at(watched: Watched) -> None:
    other = Workspace.objects.create(name="Elsewhere")
    AlertRule.objects.create(workspace=other, kind=AlertKind.PAUSE, emails="a@example.com")
    watched.pause()
    assert watched.look() == []


@pytest.mark.parametrize(("failed", "delivered", "opens"), [(5, 95, 0), (6, 94, 1), (1, 0, 1), (0, 0, 0)])
def test_failures_above_the_limit_are_told(watched: Watched, failed: int, delivered: int, opens: int) -> None:
    watched.rule(AlertKind.FAILURES, percent=5, minutes=10, destination=watched.destination)
    watched.count("failed", failed)
    watched.count("delivered", delivered)
    watched.count("filtered", 1_000)
    assert [row.message.split(" (")[0] for row in watched.look()] == (
        [f"{failed} of {pluralize(failed + delivered, 'message')} failed in the last 10 min"] if opens else []
    )


def test_failures_of_before_do_not_count(watched: Watched) -> None:
    watched.rule(AlertKind.FAILURES, percent=5, minutes=10)
    MetricBucket.objects.create(
        destination_id=watched.destination.id, minute=metrics.now() - 10, outcome="failed", total=9
    )
    assert watched.look() == []


def test_silence_is_told_after_so_many_minutes(watched: Watched) -> None:
    watched.rule(AlertKind.SILENCE, source=watched.source, minutes=15)
    begun = watched.now
    watched.now = begun + timedelta(minutes=14, seconds=59)
    assert watched.look() == []
    watched.now = begun + timedelta(minutes=15)
    (alert,) = watched.look()
    assert alert.message == "Nothing has come for 15 min; none ever did."
    watched.last_seen = {watched.source.id: int(watched.now.timestamp() * 1000)}
    (alert,) = watched.look()
    assert alert.ended_at == watched.now


def test_what_is_not_known_opens_and_ends_nothing(watched: Watched) -> None:
    watched.rule(AlertKind.SILENCE, source=watched.source, minutes=15)
    watched.now += timedelta(hours=1)
    watched.last_seen = None
    assert watched.look() == []
    watched.last_seen = {}
    assert len(watched.look()) == 1
    watched.last_seen = None
    assert [row.ended_at for row in watched.look()] == [None]


def test_a_source_that_is_switched_off_may_be_silent(watched: Watched) -> None:
    watched.rule(AlertKind.SILENCE, source=watched.source, minutes=15)
    Source.objects.update(enabled=False)
    watched.now += timedelta(hours=1)
    assert watched.look() == []


def test_a_notice_is_tried_again_with_growing_pauses(watched: Watched, receiver: Any) -> None:
    watched.rule(AlertKind.PAUSE, webhook_url=receiver.url)
    watched.pause()
    watched.look()
    receiver.status, receiver.answer = 500, b"out of order"
    watched.send()
    row = AlertNotification.objects.get()
    assert (row.tries, row.problem) == (1, "It answered 500: ❝out of order❞")
    assert row.next_at == watched.now + timedelta(seconds=30)
    watched.send()
    assert len(receiver.posts) == 1
    receiver.status = 204
    watched.now += timedelta(seconds=30)
    watched.send()
    row.refresh_from_db()
    assert (row.tries, row.problem, row.next_at, row.sent_at) == (2, "", None, watched.now)
    assert receiver.posts[0][1].split(b'"sentAt"')[0] == receiver.posts[1][1].split(b'"sentAt"')[0]


def test_a_notice_is_given_up_at_last(watched: Watched, free_port: Callable[[], int]) -> None:
    watched.rule(AlertKind.PAUSE, webhook_url=f"http://127.0.0.1:{free_port()}/secret-path")
    watched.pause()
    watched.look()
    for _ in range(TRIES + 1):
        watched.send()
        watched.now += timedelta(hours=1)
    row = AlertNotification.objects.get()
    assert (row.tries, row.next_at, row.sent_at) == (TRIES, None, None)
    assert "secret-path" not in row.problem


def test_both_channels_are_told(watched: Watched, receiver: Any, mail_server: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(settings, "CONFIG", replace(settings.CONFIG, smtp_url=urlsplit(mail_server.url)))
    watched.rule(AlertKind.PAUSE, webhook_url=receiver.url, emails="a@example.com, b@example.com")
    watched.pause()
    watched.look()
    watched.send()
    assert len(receiver.posts) == 1
    assert mail_server.recipients == ["TO:<a@example.com>", "TO:<b@example.com>"]
    (text,) = mail_server.mails
    assert "Subject: [Jetbridge] Mailjet" in text
    assert "Mailjet (Shop): It is paused (FORBIDDEN)" in text
    assert f"/w/{watched.workspace.id}/settings/alerts/" in text


def test_what_lost_its_rule_or_its_thing_ends(watched: Watched) -> None:
    rule = watched.rule(AlertKind.PAUSE, destination=watched.destination, emails="a@example.com")
    watched.pause()
    watched.look()
    watch.close_alerts(rule, watched.now)
    watched.look()
    watched.destination.delete()
    assert [row.ended_at for row in watched.look()] == [watched.now, watched.now]
    watched.now += watch.KEPT + timedelta(seconds=1)
    assert watched.look() == []


class TestWebhook:
    def test_the_signature_is_that_of_the_body(self, receiver: Any) -> None:
        assert notifications.post(receiver.url, "s3cret", b'{"a":1}') == "It answered 200: ❝ok❞"
        ((headers, body),) = receiver.posts
        expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        assert headers["x-jetbridge-signature"] == f"sha256={expected}"
        assert headers["content-type"] == "application/json"

    def test_a_redirect_is_not_followed(self, receiver: Any) -> None:
        receiver.status, receiver.headers = 307, {"location": receiver.url}
        with pytest.raises(TransientError, match="a redirect; alerts follow none"):
            notifications.post(receiver.url, "s", b"{}")
        assert len(receiver.posts) == 1

    def test_little_of_a_long_answer_is_read(self, receiver: Any) -> None:
        receiver.answer = b"x" * 5_000_000
        assert notifications.post(receiver.url, "s", b"{}").count("x") == 300

    def test_an_answer_that_breaks_off_repeats_nothing_of_the_address(self, receiver: Any) -> None:
        receiver.headers = {"content-length": "100"}  # more than comes
        with pytest.raises(TransientError, match=r"127\.0\.0\.1") as raised:
            notifications.post(receiver.url.replace("/hook", "/s3cret?t=0ther"), "s", b"{}")
        assert not {"s3cret", "0ther"} & set(re.findall(r"\w+", str(raised.value)))

    def test_any_success_is_one_and_the_query_is_kept(self, receiver: Any) -> None:
        receiver.status, receiver.answer = 202, b""
        assert notifications.post(receiver.url + "?token=a/", "s", b"{}") == "It answered 202: nothing"
        assert receiver.paths == ["/hook?token=a/"]

    @pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", "https://", "http://[", "x"])
    def test_only_http_addresses_are_called(self, url: str) -> None:
        with pytest.raises(PermanentError, match="Enter an address such as https://"):
            notifications.post(url, "s", b"{}")

    def test_a_machine_that_is_not_public_is_not_called(self, receiver: Any, monkeypatch: Any) -> None:
        monkeypatch.delenv("JETBRIDGE_ALLOW_PRIVATE_NETWORKS")
        with pytest.raises(PauseError, match=r"❝127\.0\.0\.1❞: this machine itself"):
            notifications.post(receiver.url, "s", b"{}")
        assert receiver.posts == []


def test_a_test_says_what_was_answered(watched: Watched, receiver: Any) -> None:
    rule = watched.rule(AlertKind.PAUSE, webhook_url=receiver.url, emails="a@example.com")
    what = notifications.test_notification(rule, watched.now)
    assert send(rule, "webhook", what, watched.now) == "It answered 200: ❝ok❞"
    assert json.loads(receiver.posts[0][1])["event"] == "alert.test"
    with pytest.raises(DeliveryError, match="JETBRIDGE_SMTP_URL"):
        send(rule, "email", what, watched.now)


def test_a_workspace_that_begins_tells_its_owners_of_every_standstill(
    home: Path, mail_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any set up: as soon as there is a mail server, whoever is an owner then."""
    workspace = new_workspace("New")
    for email, role in (("a@example.com", Role.OWNER), ("b@example.com", Role.EDITOR)):
        user = User.objects.create_user(email, None)
        Membership.objects.create(user=user, workspace=workspace, role=role)
    now = datetime.now(UTC)
    lights = [Light("NO_WORKER", "fail", "worker", "No worker is running", "Start it.", None, None)]
    watch = AlertWatch(lambda _: None, lambda: now, lambda: lights)
    watch.step()
    assert AlertNotification.objects.count() == 0  # nobody can be mailed yet, and the page shows it
    assert Alert.objects.get().message == "No worker is running: Start it."
    lights.clear()
    watch.step()
    monkeypatch.setattr(settings, "CONFIG", replace(settings.CONFIG, smtp_url=urlsplit(mail_server.url)))
    lights.append(Light("JOB_OPEN", "fail", "thread:schema", "It hangs", "Wait.", None))
    watch.step()
    NotificationSender(lambda: now).step()
    assert mail_server.recipients == ["TO:<a@example.com>"]
    assert "It hangs: Wait." in mail_server.mails[0]


def test_a_standstill_is_one_alert_for_each_destination_of_the_workspace(watched: Watched) -> None:
    watched.rule(AlertKind.STALL, emails="a@example.com")
    mine, other = watched.destination.id, 999
    lights = [
        Light(
            "THREAD_DIES", "fail", "thread:reconcile:1", "It dies", "Look.", None, frozenset([mine, other])
        ),
        Light("BACKLOG", "fail", f"destination:{mine}", "It waits", "Wait.", None, frozenset([mine])),
        Light("BACKLOG", "warn", f"destination:{mine}", "Slowly", "Wait.", None, frozenset([mine])),
        Light("BACKLOG", "fail", f"destination:{other}", "Elsewhere", "Wait.", None, frozenset([other])),
        Light("THREAD_HANGS", "fail", f"source:{watched.source.id}", "No events", "Look.", None),
        Light("THREAD_HANGS", "fail", "source:999", "Elsewhere", "Look.", None),
    ]
    found = watched.look(lights)
    assert {(row.thing, row.name, row.message) for row in found} == {
        (f"destination:{mine}", "Mailjet", "It dies: Look."),
        (f"source:{watched.source.id}", "Website", "No events: Look."),
    }
    assert [row.ended_at for row in watched.look(lights)] == [None, None]
    assert [row.ended_at for row in watched.look(None)] == [None, None]  # nobody looked
    assert None not in [row.ended_at for row in watched.look([])]


def test_a_rule_of_one_destination_is_about_what_stops_that_one(watched: Watched) -> None:
    watched.rule(AlertKind.STALL, destination=watched.destination, emails="a@example.com")
    assert watched.look([Light("X", "fail", "thread:schema", "No", "Look.", None)]) == []
    assert len(watched.look([Light("X", "fail", "worker", "No", "Look.", None, None)])) == 1


def test_the_web_process_stands_in_for_a_worker_that_is_silent(watched: Watched, receiver: Any) -> None:
    watched.rule(AlertKind.STALL, webhook_url=receiver.url)
    lights = [Light("NO_WORKER", "fail", "worker", "No worker is running", "Start it.", None, None)]
    watch = AlertWatch(lambda _: None, lambda: watched.now, lambda: lights)
    standby = Standby(watch, lambda: watched.now, watched.now)
    assert not standby.step()  # the worker may be starting
    watched.now += AFTER
    for thread in ("alerts", "notifications"):
        HeartbeatRow.objects.create(thread=thread, process=1, beaten_at=watched.now)
    assert not standby.step()  # the worker does it
    assert Alert.objects.count() == 0
    watched.now += AFTER + timedelta(seconds=1)
    assert standby.step()
    assert [json.loads(body)["message"] for _, body in receiver.posts] == ["No worker is running: Start it."]
    assert json.loads(receiver.posts[0][1])["thing"] == {"type": "worker", "id": 0, "name": "Deliveries"}
    lights.clear()
    HeartbeatRow.objects.update(beaten_at=watched.now)
    watch.step()  # the worker is back, and tells the end
    watched.send()
    assert len(receiver.posts) == 2


def test_a_rule_that_raises_stops_no_other(watched: Watched) -> None:
    watched.last_seen = {watched.source.id: 10**20}  # no date
    watched.rule(AlertKind.SILENCE, emails="a@example.com", source=watched.source)
    watched.rule(AlertKind.PAUSE, emails="a@example.com")
    watched.pause()
    assert [alert.name for alert in watched.look()] == ["Mailjet"]
