"""What the calls do that try something on a destination: the catalogue, previews, filters, the Event Tester."""

from typing import Any

import pytest

from jetbridge.control import directory
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import pauses
from jetbridge.delivery.base import RECEIVED
from jetbridge.delivery.models import MetricBucket, PauseRow, destination_consumer
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations import registry

from .filled import Filled

CALL = {"type": "identify", "userId": "u-1", "traits": {"email": "ada@example.com", "plan": "pro"}}


def test_the_catalogue_tells_kinds_with_their_settings(shop: Filled) -> None:
    told = {row["kind"]: row for row in shop.get("catalog")["items"]}
    assert told.keys() == registry.destinations().keys()
    settings = {row["name"]: row for row in told["mailjet"]["settings"]}
    assert list(settings) == [row.name for row in registry.destination("mailjet").settings]
    assert (settings["apiKey"]["secret"], settings["listId"]["required"]) == (True, True)


def test_a_destination_is_added_disabled_and_removed(shop: Filled) -> None:
    wish = {"kind": "segment", "settings": {"writeKey": "their-key"}, "sources": [shop.ids["source"]]}
    made = shop.call("POST", "destinations", wish)
    assert made.status_code == 201, made.content
    row = made.json()
    assert row.pop("notes") == []
    assert (row["name"], row["enabled"], row["sources"]) == ("Segment", False, [shop.ids["source"]])
    assert "their-key" not in str(row)
    for wrong, sentence in (
        ({"kind": "fax", "settings": {}}, "There is no kind 'fax'; there are mailjet, segment"),
        ({"kind": "segment", "settings": {}}, "Write key is needed."),
        ({"kind": "segment", "settings": {}, "sources": [999]}, "There is no source 999 in Shop."),
    ):
        answer = shop.call("POST", "destinations", wrong)
        assert answer.status_code == 422
        assert sentence in answer.json()["detail"]
    assert shop.call("DELETE", f"destinations/{row['id']}").json() == row | {"note": ""}
    assert shop.call("GET", f"destinations/{row['id']}").status_code == 404
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == [
        "destination.added",
        "destination.removed",
    ]


OF_EVERY_KIND = {
    "filters": '[{"name":"No staff","if":"traits.staff = true","action":{"type":"DROP"}}]',
    "emailEventNames": "mailjet",
    "ownEmailEventNames": {"open": "Mail Opened"},
}
#: A value of every setting that is not its default, by kind.
VALUES: dict[str, dict[str, Any]] = {
    "segment": {
        "endpoint": "https://events.eu1.segmentapis.com",
        "writeKey": "k-4711-secret",
        "events": "Email Opened",
    },
    "webhook": {
        "url": "https://example.com/in?key=k-4711-secret",
        "method": "PUT",
        "headers": {"Authorization": "Bearer k-4711-secret"},
        "sharedSecret": "k-4711-secret",
        "signingSecret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "batchSize": 100,
        "gzip": True,
        "map": {"mail": "traits.email"},
    },
    "warehouse": {
        "url": "postgresql://user:k-4711-secret@db.example.com/shop",
        "key": '{"project_id": "shop", "client_email": "a@example.com", "private_key": "k-4711-secret"}',
        "schemas": {"Website": "web"},
        "exclude": "pages, order_completed.coupon",
        "schedule": "daily",
        "syncTime": "03:00",
    },
}


@pytest.mark.parametrize("kind", VALUES)
def test_every_setting_is_given_when_a_destination_is_added_and_comes_back(shop: Filled, kind: str) -> None:
    integration = registry.destination(kind)
    settings = {**VALUES[kind], **OF_EVERY_KIND}
    assert settings.keys() == {setting.name for setting in integration.settings}
    assert not [setting.name for setting in integration.settings if settings[setting.name] == setting.default]
    body = {
        "kind": kind,
        "settings": settings,
        "sources": [shop.ids["source"]],
        "name": "Mine",
        "enabled": True,
        "anyway": True,  # no such database is there
    }
    made = shop.call("POST", "destinations", body)
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["name"], row["enabled"], row["sources"]) == ("Mine", True, [shop.ids["source"]])
    for setting in integration.settings:
        assert row["settings"][setting.name] == setting.shown(settings[setting.name]), setting.name
    assert "k-4711-secret" not in made.content.decode()
    ref = directory.destination(row["id"])
    assert ref
    assert integration.values(ref) == settings
    # What was read can be written back, and goes back to the defaults.
    path = f"destinations/{row['id']}"
    assert shop.call("PATCH", path, {"settings": row["settings"]}).json()["changed"] == []
    optional = [setting for setting in integration.settings if not setting.required or setting.default]
    reset = shop.call("PATCH", path, {"settings": {setting.name: "" for setting in optional}}).json()
    assert len(reset["changed"]) == len(optional)
    shown = reset["destination"]["settings"]
    assert all(shown[setting.name] == setting.default for setting in optional)


def test_a_warehouse_is_connected_before_it_is_added(shop: Filled, free_port: Any) -> None:
    url = f"postgresql://u:p@127.0.0.1:{free_port()}/shop"
    body = {"kind": "warehouse", "settings": {"url": url}, "sources": [shop.ids["source"]]}
    refused = shop.call("POST", "destinations", body)
    assert refused.status_code == 422
    assert "Nothing was added." in refused.json()["detail"]
    assert shop.call("POST", "destinations", {**body, "anyway": True}).status_code == 201
    added = shop.call("POST", "destinations", {**body, "settings": {"exclude": "paiges"}})  # a file
    assert added.status_code == 201
    assert added.json()["notes"] == ["There is no table named paiges so far. Do you mean pages?"]


def test_settings_are_confirmed_without_being_told(shop: Filled) -> None:
    path = "destinations/{destination}/confirm"
    stored = shop.get(path)
    assert (stored["fits"], stored["problems"]) == (None, {})
    assert "10001" in stored["message"]
    wrong = shop.call("POST", path, {"settings": {"listId": "one"}}).json()
    assert (wrong["fits"], [(each["field"], each["value"]) for each in wrong["suggested"]]) == (
        False,
        [("listId", "10001")],
    )
    assert list(wrong["problems"]) == ["listId"]
    new = shop.call("POST", "catalog/confirm", {"kind": "mailjet", "settings": {"apiKey": "x"}}).json()
    assert new["message"].startswith("The Authentication key belongs to no app connection here.")
    assert shop.call("POST", "catalog/confirm", {"kind": "fax", "settings": {}}).status_code == 422


def test_traits_are_told_with_where_they_go(shop: Filled) -> None:
    path = "destinations/{destination}"
    shop.call("PATCH", path, {"settings": {"mapping": "plan = tier\nsecret ="}})
    rows = {row["trait"]: row for row in shop.get(f"{path}/mapping")["items"]}
    assert (rows["plan"]["property"], rows["plan"]["in_mapping"], rows["plan"]["seen"]) == (
        "tier",
        True,
        False,
    )
    assert (rows["secret"]["sends"], rows["trait of shop"]["seen"]) == (False, True)
    assert [row["trait"] for row in shop.get(f"{path}/mapping", text="PL")["items"]] == ["plan"]


def test_a_call_is_previewed_under_other_settings(shop: Filled) -> None:
    path = "destinations/{destination}/preview"
    told = shop.call("POST", path, {"call": CALL, "settings": {"mapping": "plan = tier"}}).json()
    assert "Datatypes are not shown" in told["warning"]  # nobody answers
    assert (told["preview"]["email"], told["preview"]["is_new"]) == ("ada@example.com", True)
    assert [(row["property"], row["value"]) for row in told["preview"]["traits"]] == [
        (None, "ada@example.com"),
        ("tier", "pro"),
    ]
    for choice in ({}, {"position": shop.ids["position"]}, {"message_id": "m-shop"}):
        assert shop.call("POST", path, choice).json()["message_id"] == "m-shop"
    wrong = shop.call("POST", path, {"call": CALL, "settings": {"mapping": "a = b = c"}}).json()
    assert (wrong["preview"], bool(wrong["problem"])) == (None, True)
    for choice, sentence in (
        ({"call": CALL, "position": 1}, "Only one of call, position and message_id can be chosen."),
        ({"call": {**CALL, "type": "track", "event": "E"}}, "This is a track call; only identify calls"),
        ({"call": {"type": "identify"}}, ""),
    ):
        answer = shop.call("POST", path, choice)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(sentence)


def test_a_filter_is_tried(shop: Filled) -> None:
    path = "destinations/{destination}/filters/try"
    filter_ = {"name": "F", "if": "userId = 'u-shop'"}
    tried = {"looked_at": 1, "dropped": 1, "failed": 0, "changed": 0, "examples": ["m-shop"]}
    assert shop.call("POST", path, filter_).json() == tried
    fields = {"type": "DROP_PROPERTIES", "fields": {"traits": ["email"]}}
    changing = {**filter_, "action": fields}
    assert shop.call("POST", path, changing).json() == {**tried, "dropped": 0, "changed": 1}
    filter_["if"] = "userId resembles 'u-shop'"
    assert "Line 1, column 8: expected a comparison" in shop.call("POST", path, filter_).json()["detail"]


def test_a_call_is_tested_and_only_sent_when_asked(shop: Filled, event_log: SqliteEventLog) -> None:
    path, before = "destinations/{destination}/test", event_log.counts().end
    told = shop.call("POST", path, {"call": CALL}).json()
    assert ([step["passed"] for step in told["steps"]].count(False), told["receivers"]) == (
        0,
        [shop.ids["destination"]],
    )
    dropped = shop.call("POST", path, {"call": {**CALL, "type": "track", "event": "Paid"}}).json()
    assert (dropped["arrives"], dropped["receivers"]) == (False, [])
    assert event_log.counts().end == before
    assert (
        shop.call("POST", path, {"call": {}})
        .json()["problem"]
        .startswith("No ingest endpoint would take this call")
    )
    sent = shop.call("POST", f"{path}/send", {"call": CALL, "source": shop.ids["source"]})
    assert sent.status_code == 202
    (row,) = shop.get("trace", message_id=sent.json()["message_id"])["items"]
    assert row["source"] == shop.ids["source"]
    assert AuditEntry.objects.get().action == "destination.test-sent"


def test_figures_and_reasons_are_of_a_period(shop: Filled) -> None:
    MetricBucket.objects.filter(outcome=RECEIVED).delete()
    path = "destinations/{destination}"
    told = shop.get(f"{path}/figures", period="1d")
    assert (told["failed"], told["delivered"], told["p50_ms"], len(told["course"])) == (1, 0, None, 24)
    assert sum(each["failed"] for each in told["course"]) == 1
    (reason,) = shop.get(f"{path}/reasons")["items"]
    assert (reason["outcome"], reason["reason"], reason["messages"]) == ("failed", "INVALID_EMAIL", 1)
    assert reason["fix"].startswith("Correct the address where it comes from")
    assert (reason["lately"], sum(reason["course"]), reason["example_id"]) == (1, 1, shop.ids["failure"])
    assert shop.call("GET", f"{path}/figures", period="3d").status_code == 422


def test_holds_that_were_are_listed(shop: Filled) -> None:
    reader = destination_consumer(shop.ids["destination"])
    pauses.pause(reader, "FORBIDDEN", "The keys are refused.")
    shop.call("POST", "destinations/{destination}/resume")
    told = shop.get("destinations/{destination}/pauses")["items"]
    assert len(told) == PauseRow.objects.filter(consumer=reader).count()
    assert (told[0]["code"], told[0]["by_hand"]) == ("FORBIDDEN", True)


def test_contacts_are_counted_and_receipts_found(shop: Filled) -> None:
    told = shop.get("destinations/{destination}/contacts/figures")
    assert (told["contacts"], told["due"], told["open_jobs"], told["rejected_values"]) == (0, 0, [], [])
    (receipt,) = shop.get("forget", name="gone-from-shop")["items"]
    assert receipt["id"] == shop.ids["receipt"]
    assert shop.get("forget", name="nobody")["items"] == []
    assert shop.get("forget")["items"] == [receipt]


@pytest.mark.parametrize("path", ["mapping", "contacts", "contacts/figures"])
def test_what_only_some_kinds_have_is_refused_of_others(shop: Filled, path: str, people: Any) -> None:
    row = people.workspace.destinations.create(kind="segment", name="Segment")
    answer = shop.call("GET", f"destinations/{row.id}/{path}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("Segment ")
