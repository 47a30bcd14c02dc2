"""An integration that is a folder and one line (tests/integrations/lighthouse) is on every page and in the API."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from threading import Event, Thread
from types import ModuleType
from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import include, path, reverse
from django.utils import timezone
from django.utils.html import strip_tags
from tests.pages import collapsed

from jetbridge.api.app import build
from jetbridge.control import directory
from jetbridge.control.models import Destination as Row
from jetbridge.control.models import Source, SourceKind
from jetbridge.control.people import ApiToken, AuditEntry, Role
from jetbridge.control.secret_field import digest
from jetbridge.delivery import report
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.delivery.report import DestinationReport
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations import registry
from jetbridge.integrations.base import Destination
from jetbridge.integrations.setting import MASK
from jetbridge.integrations.testing import AT, Response, StubService, serving
from jetbridge.privacy import suppression
from jetbridge.services import new_destinations
from jetbridge.spec.message import Message, encode
from jetbridge.spec.person import Identity
from jetbridge.worker import plan

OIL, FLAG = "whale-oil-0815", "flag-4711-secret"


@pytest.fixture
def service() -> Iterator[StubService]:
    with serving(StubService()) as service:
        yield service


@pytest.fixture
def source(people: Any) -> Source:
    return people.workspace.sources.create(kind=SourceKind.HTTP, name="Shop")


@dataclass
class Tower:
    """One lighthouse, and what comes to it and leaves it."""

    integration: Destination
    row: Row
    source: Source
    log: SqliteEventLog
    service: StubService

    def url(self, name: str, *more: Any) -> str:
        return reverse(name, args=[self.row.workspace_id, self.row.id, *more])

    def deliver(self, *users: str) -> DestinationReport:
        """A call of each, by a worker's consumer, until it stands still."""
        for user in users:
            message = Message(
                type="identify", message_id=f"m-{user}", timestamp=AT, received_at=AT, user_id=user, traits={}
            )
            self.log.append([Entry(self.source.id, "identify", int(AT.timestamp() * 1000), encode(message))])
        ref = directory.destination(self.row.id)
        assert ref
        stop = Event()
        consumer = Consumer(
            event_log=self.log,
            destination_id=self.row.id,
            destination=self.integration.open(ref),
            route=self.integration.route(ref),
        )
        thread = Thread(target=consumer.run, args=(stop,))
        thread.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            (found,) = report.report(self.log.counts)
            if found.state == "paused" or not found.pending:
                break
            time.sleep(0.02)
        stop.set()
        thread.join()
        return found


@pytest.fixture
def tower(
    lighthouse: Destination, people: Any, source: Source, event_log: SqliteEventLog, service: StubService
) -> Tower:
    values = {"url": service.url, "oil": OIL, "signals": {"x-flag": FLAG}}
    row = new_destinations.add(
        event_log, people.workspace, "lighthouse", "Eddystone", values, sources=[source]
    )
    return Tower(lighthouse, row, source, event_log, service)


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def text_of(client: Client, url: str, **query: Any) -> str:
    answer = client.get(url, query)
    assert answer.status_code == 200, url
    text = answer.content.decode()
    assert not [secret for secret in (OIL, FLAG) if secret in text], url
    return unescape(text)


# ---- pages


def test_the_catalogue_has_it_in_its_group_with_its_icon(
    lighthouse: Destination, people: Any, client_of: Any
) -> None:
    text = text_of(client_of("viewer"), reverse("destination-catalog", args=[people.workspace.id]))
    places = ["Email</h2>", "Warehouses</h2>", "Blinks every message", "Webhooks & tools</h2>"]
    assert sorted(places, key=text.index) == places
    assert "#7a3b8f" in text
    found = text_of(
        client_of("viewer"), reverse("destination-catalog", args=[people.workspace.id]), q="lighthouse"
    )
    assert ("Blinks every message" in found, "Contacts of a Mailjet list" in found) == (True, False)


def test_it_is_added_by_its_form_with_values_of_their_types(
    lighthouse: Destination, people: Any, source: Source, editor: Client, service: StubService
) -> None:
    url = reverse("destination-new", args=[people.workspace.id, "lighthouse"])
    form = unescape(editor.get(url).content.decode())
    assert "Lighthouses stand on rocks." in form
    for control in (
        'type="password" name="oil"',
        'type="number" name="height"',
        'type="checkbox" name="horn"',
        "checked",
    ):
        assert control in form
    typed = {"name": "Eddystone", "sources": [source.id], "url": service.url, "oil": f" {OIL} "}
    wrong = editor.post(url, {**typed, "height": "101", "colour": "blue", "signals": "[", "charts": "7"})
    assert wrong.status_code == 422
    errors = wrong.context["form"].errors
    assert {name: rows[0] for name, rows in errors.items()} == {
        "height": "'101' is no whole number from 1 to 100.",
        "colour": "Select a valid choice. blue is not one of the available choices.",
        "signals": "Signals is not JSON.",
        "charts": 'Charts has to be a JSON object, such as {"name": "value"}.',
    }
    assert (
        editor.post(url, {**typed, "height": "13"}).status_code == 422
    )  # check_settings says that it fits nothing
    more = {"height": "42", "colour": "red", "signals": f'{{"x-flag": "{FLAG}"}}', "charts": '{"north": [1]}'}
    assert editor.post(url, {**typed, **more}).status_code == 302
    row = people.workspace.destinations.get()
    expected = {"url": service.url, "height": 42, "horn": False, "colour": "red", "charts": {"north": [1]}}
    assert row.settings == expected
    assert json.loads(row.secrets) == {"oil": OIL, "signals": {"x-flag": FLAG}}
    assert "saved" in text_of(editor, reverse("destination-settings", args=[row.workspace_id, row.id]))


def test_what_its_settings_mean_is_said_while_they_are_typed(tower: Tower, editor: Client) -> None:
    url = reverse("destination-new-confirm", args=[tower.row.workspace_id, "lighthouse"])
    said = [
        strip_tags(editor.post(url, {"height": text}).content.decode()).strip() for text in ("42", "", "1000")
    ]
    assert said == ["It is 42 metres high.", "It is 30 metres high.", ""]


def test_its_settings_are_changed_and_secrets_that_are_left_empty_stay(tower: Tower, editor: Client) -> None:
    url, row = tower.url("destination-settings"), tower.row
    form = editor.get(url).context["form"]
    assert form["horn"].value() is True
    assert "charts" not in form.fields  # it has a tab
    values = {name: form[name].value() or "" for name in form.fields}
    typed = {
        **values,
        "oil": "",
        "signals": "",
        "height": "7",
        "seen": form.etag,
        "sources": [tower.source.id],
    }
    del typed["horn"]
    assert editor.post(url, typed).status_code == 302
    row.refresh_from_db()
    assert (row.settings["height"], row.settings["horn"]) == (7, False)
    assert json.loads(row.secrets) == {"oil": OIL, "signals": {"x-flag": FLAG}}
    assert AuditEntry.objects.get(action="destination.changed").details == {
        "height": ["30", "7"],
        "horn": ["true", "false"],
    }


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_every_tab_is_there_for_everybody(
    tower: Tower, client_of: Callable[[str], Client], role: str
) -> None:
    client = client_of(role)
    assert "Eddystone" in text_of(client, reverse("destinations", args=[tower.row.workspace_id]))
    tabs = client.get(tower.url("destination")).context["head"].tabs
    assert [tab.label for tab in tabs] == [
        "Overview", "Event Delivery", "Crew", "Filters", "Event Tester", "Sync", "Settings",
    ]  # fmt: skip
    for tab in tabs:
        text = text_of(client, tower.url(tab.url_name))
        assert "#7a3b8f" in text
        assert f'aria-current="page">{tab.label}</a>' in collapsed(text)
        assert "Lighthouse</span>" in text
    assert "Nobody is aboard." in text_of(client, tower.url("lighthouse-crew"))


def test_its_own_pages_are_of_its_kind_alone(tower: Tower, people: Any, editor: Client) -> None:
    other = new_destinations.add(
        tower.log, people.workspace, "segment", "Segment", {"writeKey": "w"}, sources=[]
    )
    assert editor.get(reverse("lighthouse-crew", args=[people.workspace.id, other.id])).status_code == 404
    assert editor.get(tower.url("destination-mapping")).status_code == 404


def test_what_fails_says_what_to_do_in_its_own_words(tower: Tower, editor: Client) -> None:
    tower.service.refuses = lambda request: b"u-2" in request.body
    found = tower.deliver("u-1", "u-2", "u-3")
    assert (found.delivered, found.failed, found.balanced) == (2, 1, True)
    assert "FOG" in text_of(editor, tower.url("destination-event-delivery"))
    reason = text_of(editor, tower.url("destination-reason", "failed", "FOG"))
    assert "Wait until the fog has cleared, then try again." in reason
    assert f'href="{tower.url("lighthouse-crew")}">Ask the crew</a>' in reason
    sample = text_of(editor, tower.url("destination-sample", DeliveryRecordRow.objects.get().id))
    assert "The keeper shakes his head (400)." in sample
    assert "Request to Lighthouse" in sample


@pytest.mark.parametrize(
    ("status", "shown", "leads_to"),
    [
        (401, ["its oil is refused", "Fill in better oil.", "Try now"], "destination-settings"),
        (404, ["there is no lighthouse", "Look for it.", "Look again"], "lighthouse-crew"),
    ],
)
def test_a_pause_says_what_to_do_in_its_own_words(
    tower: Tower, editor: Client, status: int, shown: list[str], leads_to: str
) -> None:
    tower.service.response = Response(status)
    assert tower.deliver("u-1").state == "paused"
    text = text_of(editor, tower.url("destination"))
    assert [words for words in shown if words not in text] == []
    assert f'href="{tower.url(leads_to)}" id="fix"' in text
    assert f"The keeper shakes his head ({status})." in text
    assert "write key" not in strip_tags(text).lower()
    assert "authentication key" not in strip_tags(text).lower()


def test_a_refused_write_key_of_segment_says_so(tower: Tower, people: Any, editor: Client) -> None:
    values = {"writeKey": "w", "endpoint": tower.service.url}
    row = new_destinations.add(
        tower.log, people.workspace, "segment", "Segment", values, sources=[tower.source]
    )
    tower.service.response = Response(401)
    tower.row.delete()
    Tower(registry.destination("segment"), row, tower.source, tower.log, tower.service).deliver("u-1")
    text = text_of(editor, reverse("destination", args=[people.workspace.id, row.id]))
    assert "Paused by an error: the write key is refused" in text
    assert "Enter the write key of a Segment source again." in text
    assert "oil" not in strip_tags(text)


def test_the_event_tester_shows_what_a_call_becomes(tower: Tower, editor: Client) -> None:
    call = {"type": "identify", "userId": "ada", "traits": {"plan": "pro"}}
    answer = editor.post(tower.url("destination-tester"), {"text": json.dumps(call)})
    text = unescape(answer.content.decode())
    assert "It would blink for ada." in text
    assert f"POST {tower.service.url}/beam" in text
    assert tower.service.requests == []


def test_the_event_tester_sends_a_test_call_and_shows_what_comes_back(
    tower: Tower, editor: Client, client_of: Any
) -> None:
    typed = {"text": json.dumps({"type": "identify", "userId": "ada"}), "source": tower.source.id}
    tower.service.response = Response(503, b'{"wait": true}')
    tower.service.headers = {"Retry-After": "90"}
    text = unescape(editor.post(tower.url("destination-tester-call"), typed).content.decode())
    for shown in (
        "503</span>",
        "it would be tried again",
        "There is a storm",
        "90",
        '{"wait": true}',
        "test-",
    ):
        assert shown in text, shown
    (request,) = tower.service.requests
    sent = json.loads(request.body)
    assert (sent["userId"], sent["context"]["test"], sent["messageId"][:5]) == ("ada", True, "test-")
    assert not list(tower.log.read(0))
    tower.service.response, tower.service.echoes = Response(200), True
    text = unescape(editor.post(tower.url("destination-tester-call"), typed).content.decode())
    assert ("200</span>" in text, OIL in text, FLAG in text) == (True, False, False)
    assert client_of("viewer").post(tower.url("destination-tester-call"), typed).status_code == 403
    assert (
        list(AuditEntry.objects.values_list("action", "thing"))
        == [("destination.test-called", "Eddystone")] * 2
    )


def test_a_test_call_goes_only_where_a_message_would(tower: Tower, editor: Client, people: Any) -> None:
    suppression.suppress(people.workspace.id, Identity.of_name("ada"))
    typed = {"text": json.dumps({"type": "identify", "userId": "ada"}), "source": tower.source.id}
    text = unescape(editor.post(tower.url("destination-tester-call"), typed).content.decode())
    assert "Nothing was sent: It would not come to Eddystone (USER_SUPPRESSED)" in text
    assert (tower.service.requests, AuditEntry.objects.count()) == ([], 0)


def test_test_calls_are_few(tower: Tower, api: Any) -> None:
    path = f"destinations/{tower.row.id}/test/call"
    body = {"call": {"type": "identify", "userId": "ada"}}
    called = api("POST", path, body).json()
    assert (called["outcome"], called["status"], called["message_id"][:5]) == ("delivered", 200, "test-")
    assert called["request"].startswith(f"POST {tower.service.url}/beam")
    for _ in range(9):
        assert api("POST", path, body).status_code == 200
    refused = api("POST", path, body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert "as many as there can be" in refused.json()["detail"]
    assert len(tower.service.requests) == 10
    AuditEntry.objects.update(at=timezone.now() - timedelta(minutes=2))
    assert api("POST", path, body).status_code == 200


def test_its_tasks_are_asked_for_and_done(tower: Tower, editor: Client) -> None:
    sync = tower.url("destination-sync")
    assert "Counts every lamp of the tower." in text_of(editor, sync)
    tower.row.settings["height"] = 21
    tower.row.save()
    assert editor.post(tower.url("destination-start-task", "lamps")).status_code == 302
    wanted = plan.thread_specs()
    (name,) = (name for name in wanted if name.endswith("(lamps)"))
    wanted[name][1](Event())
    assert "lamps42" in "".join(strip_tags(text_of(editor, sync)).split())
    assert editor.post(tower.url("destination-start-task", "plan")).status_code == 404


# ---- the API


@pytest.fixture
def api(people: Any) -> Callable[..., Any]:
    ApiToken.objects.create(
        workspace=people.workspace,
        user=people.owner,
        name="t",
        role=Role.OWNER,
        digest=digest("token"),
        ending="oken",
    )

    def call(method: str, path: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body)
        answer = Client().generic(
            method,
            f"/api/v1/{path}",
            data,
            content_type="application/json",
            headers={"authorization": "Bearer token"},
        )
        assert not [secret for secret in (OIL, FLAG) if secret in answer.content.decode()]
        return answer

    return call


def test_the_api_lists_it_with_its_settings_and_their_types(lighthouse: Destination, api: Any) -> None:
    (kind,) = (row for row in api("GET", "catalog").json()["items"] if row["kind"] == "lighthouse")
    assert (kind["title"], kind["group"], kind["accepts"]) == (
        "Lighthouse",
        "Warehouses",
        ["identify", "track"],
    )
    assert {row["name"]: (row["type"], row["default"], row["secret"]) for row in kind["settings"]} == {
        "url": ("text", "", False),
        "oil": ("secret", "", True),
        "height": ("integer", 30, False),
        "horn": ("boolean", True, False),
        "colour": ("choice", "white", False),
        "signals": ("object", {}, True),
        "charts": ("object", {}, False),
        "emailEventNames": ("choice", "spec", False),
        "ownEmailEventNames": ("object", {}, False),
        "filters": ("text", "", False),
    }


def test_the_api_adds_it_masks_its_secrets_and_takes_masks_for_what_is_stored(
    lighthouse: Destination, people: Any, api: Any, service: StubService
) -> None:
    settings = {
        "url": service.url,
        "oil": OIL,
        "height": 42,
        "horn": False,
        "signals": {"x-flag": FLAG, "y": "two"},
    }
    wrong = api("POST", "destinations", {"kind": "lighthouse", "settings": {**settings, "height": "high"}})
    assert (wrong.status_code, "'high' is no whole number" in wrong.content.decode()) == (422, True)
    made = api("POST", "destinations", {"kind": "lighthouse", "settings": settings})
    assert made.status_code == 201
    shown = made.json()["settings"]
    assert shown == {
        "url": service.url,
        "oil": MASK,
        "height": 42,
        "horn": False,
        "colour": "white",
        "signals": {"x-flag": MASK, "y": MASK},
        "charts": {},
        "emailEventNames": "spec",
        "ownEmailEventNames": {},
        "filters": "",
    }
    path = f"destinations/{made.json()['id']}"
    assert api("PATCH", path, {"settings": shown}).json()["changed"] == []
    changed = api("PATCH", path, {"settings": {**shown, "signals": {"x-flag": MASK, "y": "three"}}})
    assert [each["what"] for each in changed.json()["changed"]] == ["signals"]
    row = people.workspace.destinations.get()
    assert json.loads(row.secrets) == {"oil": OIL, "signals": {"x-flag": FLAG, "y": "three"}}
    tried = api(
        "POST", "catalog/confirm", {"kind": "lighthouse", "settings": {**settings, "height": "13"}}
    ).json()
    assert (tried["fits"], tried["message"]) == (False, "It is 13 metres high.")


def test_the_api_has_its_tasks_its_reasons_and_its_preview(tower: Tower, api: Any) -> None:
    path = f"destinations/{tower.row.id}"
    assert api("POST", f"{path}/tasks", {"kind": "lamps"}).status_code == 202
    assert api("POST", f"{path}/tasks", {"kind": "plan"}).status_code == 422
    tower.service.response = Response(413)
    tower.deliver("u-1")
    (reason,) = api("GET", f"{path}/reasons").json()["items"]
    assert (reason["reason"], reason["fix"]) == ("FOG", "Wait until the fog has cleared, then try again.")
    tested = api("POST", f"{path}/test", {"call": {"type": "identify", "userId": "ada", "traits": {}}}).json()
    assert (tested["arrives"], tested["contact"]) == (True, None)
    assert tested["request"].startswith(f"POST {tower.service.url}/beam")


def test_its_own_calls_are_in_the_api(lighthouse: Destination, people: Any) -> None:
    made = build("with-a-lighthouse")
    assert (
        made.get_openapi_schema(path_prefix="")["paths"]["/destinations/{destination}/lighthouse/crew"][
            "get"
        ]["summary"]
        == "Who keeps a lighthouse"
    )
    row = people.workspace.destinations.create(name="Eddystone", kind="lighthouse")
    urls = ModuleType("urls_with_a_lighthouse")
    urls.__dict__["urlpatterns"] = [path("", include((made.urls[0], "api")))]
    token = ApiToken(workspace=people.workspace, user=people.owner, name="t", role=Role.VIEWER)
    token.digest, token.ending = digest("token"), "oken"
    token.save()
    with override_settings(ROOT_URLCONF=urls):
        answer = Client().get(
            f"/destinations/{row.id}/lighthouse/crew", headers={"authorization": "Bearer token"}
        )
    assert answer.json() == {"crew": ["Ida"]}


def test_without_its_line_it_is_gone(people: Any, client_of: Any) -> None:
    catalog = text_of(client_of("viewer"), reverse("destination-catalog", args=[people.workspace.id]))
    assert "Lighthouse" not in catalog
