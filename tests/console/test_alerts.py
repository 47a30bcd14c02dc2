"""Rules, alerts and the test button, through the pages."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from tests.pages import collapsed

from jetbridge.control.alerts import Alert, AlertKind, AlertNotification, AlertRule
from jetbridge.control.models import SourceKind
from jetbridge.control.people import AuditEntry

from .conftest import OF_EVERY_PAGE


def page(people: Any, path: str = "") -> str:
    return f"/w/{people.workspace.id}/settings/alerts/{path}"


def rule_of(people: Any, **more: Any) -> AlertRule:
    values = {"kind": AlertKind.PAUSE, "webhook_url": "https://example.com/secret-path"} | more
    return AlertRule.objects.create(workspace=people.workspace, **values)


def alert_of(rule: AlertRule, number: int, **more: Any) -> Alert:
    thing = f"destination:{number}"
    values = {
        "workspace": rule.workspace,
        "kind": rule.kind,
        "name": f"Mailjet {number}",
        "message": "It is held.",
    }
    return Alert.objects.create(rule=rule, thing=thing, **(values | more))


def add(client: Any, people: Any, kind: str, **values: Any) -> Any:
    return client.post(page(people, f"add?kind={kind}"), {"enabled": "on", **values})


class TestRules:
    def test_an_editor_adds_one(self, people: Any, client_of: Any) -> None:
        answer = add(
            client_of("editor"), people, "failures", percent=3, minutes=20, webhook_url="https://x.y/z"
        )
        rule = AlertRule.objects.get()
        assert answer.headers["location"] == page(people, f"{rule.id}/")
        assert (rule.kind, rule.percent, rule.minutes, rule.destination) == ("failures", 3, 20, None)
        assert (rule.workspace, rule.webhook_url, rule.enabled) == (people.workspace, "https://x.y/z", True)
        (entry,) = AuditEntry.objects.all()
        assert (entry.action, entry.details["webhook"]) == ("alert-rule.added", "x.y")
        assert "/z" not in str(entry.details)

    @pytest.mark.parametrize(
        ("kind", "values", "sentence"),
        [
            ("pause", {}, "Choose who is alerted"),
            ("pause", {"webhook_url": "ftp://example.com/"}, "Enter an address such as https://"),
            ("pause", {"emails": "a@example.com"}, "JETBRIDGE_SMTP_URL first"),
            ("pause", {"emails": "nonsense"}, "is no email address."),
            ("failures", {"percent": 100, "minutes": 5, "webhook_url": "https://x.y"}, "below 100"),
            (
                "failures",
                {"percent": 5, "minutes": 1441, "webhook_url": "https://x.y"},
                "Choose 1 to 1,440 minutes.",
            ),
            ("silence", {"minutes": 5, "webhook_url": "https://x.y"}, "required"),
            ("silence", {"minutes": 0, "webhook_url": "https://x.y"}, "Choose 1 to 10,080 minutes."),
        ],
    )
    def test_a_wrong_one_is_refused(
        self, people: Any, client_of: Any, kind: str, values: dict[str, Any], sentence: str
    ) -> None:
        answer = add(client_of("editor"), people, kind, **values)
        assert answer.status_code == 422
        assert sentence in answer.content.decode()
        assert not AlertRule.objects.exists()

    def test_things_of_other_workspaces_cannot_be_chosen(self, people: Any, client_of: Any) -> None:
        theirs = people.elsewhere.sources.create(kind=SourceKind.HTTP, name="Theirs")
        answer = add(
            client_of("editor"), people, "silence", source=theirs.id, minutes=5, webhook_url="https://x.y"
        )
        assert answer.status_code == 422
        other = AlertRule.objects.create(workspace=people.elsewhere, kind="pause", webhook_url="https://x.y")
        for path in ("", "delete", "test"):
            assert client_of("editor").post(page(people, f"{other.id}/{path}")).status_code == 404

    def test_switched_off_or_deleted_its_alerts_are_over(self, people: Any, client_of: Any) -> None:
        client = client_of("editor")
        for path, data in (("", {"webhook_url": "https://x.y"}), ("delete", {})):
            rule = rule_of(people)
            alert_of(rule, 1)
            assert client.post(page(people, f"{rule.id}/{path}"), data).status_code == 302
            assert not Alert.objects.filter(ended_at=None).exists()
        assert AlertNotification.objects.count() == 0
        assert AlertRule.objects.get().enabled is False
        assert [row.action for row in AuditEntry.objects.order_by("id")] == [
            "alert-rule.changed",
            "alert-rule.deleted",
        ]

    def test_a_viewer_sees_the_rule_and_no_secret(self, people: Any, client_of: Any) -> None:
        rule = rule_of(people)
        text = client_of("viewer").get(page(people)).content.decode()
        assert "Webhook at example.com" in text
        assert "secret-path" not in text
        assert rule.webhook_secret not in text
        assert client_of("viewer").get(page(people, f"{rule.id}/")).status_code == 403


class TestTheTestButton:
    def test_it_shows_the_answer(self, people: Any, client_of: Any, receiver: Any) -> None:
        receiver.answer = b"thank <you>"
        rule = rule_of(people, webhook_url=receiver.url)
        text = client_of("editor").post(page(people, f"{rule.id}/test")).content.decode()
        assert "It answered 200: ❝thank (you)❞" in text
        assert json.loads(receiver.posts[0][1])["event"] == "alert.test"
        assert not Alert.objects.exists()

    def test_it_shows_the_trouble(self, people: Any, client_of: Any, receiver: Any) -> None:
        receiver.status = 404
        rule = rule_of(people, webhook_url=receiver.url, emails="a@example.com")
        text = client_of("editor").post(page(people, f"{rule.id}/test")).content.decode()
        assert "It answered 404: ❝ok❞" in text
        assert "No mail server is configured" in text


def test_open_and_past_alerts_are_listed_by_key(people: Any, client_of: Any, queries: Any) -> None:
    rule, now, client = rule_of(people), timezone.now(), client_of("viewer")
    open_one = alert_of(rule, 1)
    AlertNotification.objects.create(
        alert=open_one, channel="webhook", tries=2, problem="It answered 500: no"
    )
    for number in range(60):
        alert_of(rule, 100 + number, ended_at=now - timedelta(minutes=number))
    with queries() as seen:
        text = collapsed(client.get(page(people)).content.decode())
    assert len(seen) == OF_EVERY_PAGE + 5, [query["sql"] for query in seen]
    assert "Mailjet 1: a destination is paused" in text
    assert "tried 2 times: It answered 500: no" in text
    assert ("Mailjet 159" in text, "Mailjet 109" in text) == (True, False)
    older = client.get(page(people, f"?before={Alert.objects.get(name='Mailjet 110').id}")).content.decode()
    assert "Mailjet 109" in older


def test_the_address_of_a_webhook_is_shown_as_a_secret(people: Any, client_of: Any) -> None:
    url = "https://hooks.example.com/in?token=s3cret/"
    rule = rule_of(people, webhook_url=url)
    text = client_of("editor").get(page(people, f"{rule.id}/")).content.decode()
    (field,) = re.findall(r'<input[^>]*name="webhook_url"[^>]*>', text)
    assert 'type="password"' in field  # with a button that shows it
    assert f'value="{url}"' in field
    for role in ("viewer", "editor"):
        assert "s3cret" not in client_of(role).get(page(people)).content.decode()
