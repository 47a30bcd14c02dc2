"""The pages for those who watch over Jetbridge."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jetbridge.control.directory import Credentials
from jetbridge.control.models import Source, SourceKind, Workspace
from jetbridge.delivery.models import SyncRow

TOKEN = "a token of prometheus"


def figures(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^(jetbridge\S+) (\S+)$", text, re.MULTILINE)}


def test_up_and_ready(server: Any) -> None:
    assert server.get("/healthz").json() == {"status": "ok"}
    assert server.get("/readyz").json() == {
        "status": "ready",
        "for": "messages",
        "deliveries": "see /metrics or `jetbridge status`",
    }


def test_the_first_page_says_what_this_is(server: Any) -> None:
    response = server.get("/")
    assert (response.status, response.json()["name"]) == (200, "Jetbridge")


def test_metrics_count_what_was_taken_and_what_was_not(home: Path, serve: Any) -> None:
    workspace = Workspace.objects.create(name="shop")
    site = Source.objects.create(workspace=workspace, name="site", kind=SourceKind.HTTP)
    server = serve(metrics_token=TOKEN)
    assert site.id == server.site
    for call in ({"userId": "u"}, {"userId": "v", "traits": {"a": float("nan")}}, {}):
        server.post("/v1/identify", {**call, "writeKey": server.write_key})
    server.post("/v1/identify", {"userId": "u", "writeKey": "nope"})
    response = server.get("/metrics", authorization=f"Bearer {TOKEN}")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert figures(response.data.decode()) == {
        "jetbridge_eventlog_position": 3,
        'jetbridge_source_records_total{kind="message",name="site",source="1"}': 2,
        'jetbridge_source_records_total{kind="invalid",name="site",source="1"}': 1,
        'jetbridge_source_records_total{kind="email_event",name="site",source="1"}': 0,
        'jetbridge_source_incomplete_messages_total{name="site",source="1"}': 1,
        'jetbridge_source_repeated_email_events_total{name="site",source="1"}': 0,
        'jetbridge_source_failed_email_events{name="site",source="1"}': 0,
        'jetbridge_rejected_requests_total{code="no_user_anon_id"}': 1,
        'jetbridge_rejected_requests_total{code="unknown_write_key"}': 1,
        'jetbridge_light{code="NO_WORKER",state="warn",thing="worker"}': 1,
        "jetbridge_healthy": 1,
    }


def test_metrics_know_when_a_destination_with_a_schedule_syncs(home: Path, serve: Any) -> None:
    workspace = Workspace.objects.create(name="shop")
    server = serve(metrics_token=TOKEN)
    row = workspace.destinations.create(name="W", kind="warehouse", settings={"schedule": "daily"})
    workspace.destinations.create(name="Other", kind="warehouse")
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    SyncRow.objects.create(destination_id=row.id, counted_from=now, began_at=now, ended_at=now)
    response = server.get("/metrics", authorization=f"Bearer {TOKEN}")
    found = {name: value for name, value in figures(response.data.decode()).items() if "_sync_" in name}
    labels = f'destination="{row.id}",kind="warehouse",name="W"'
    midnight = now.replace(hour=0) + timedelta(days=1)
    assert found == {
        f"jetbridge_destination_next_sync_timestamp_seconds{{{labels}}}": midnight.timestamp(),
        f"jetbridge_destination_last_sync_timestamp_seconds{{{labels}}}": now.timestamp(),
    }


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nope",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        "Bearer \xff",
    ],
)
def test_metrics_are_for_who_has_the_token(home: Path, serve: Any, authorization: str | None) -> None:
    server = serve(metrics_token=TOKEN)
    response = server.get("/metrics", **({} if authorization is None else {"authorization": authorization}))
    assert (response.status, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert b"jetbridge_" not in response.data


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer x"])
def test_without_a_token_there_are_no_metrics(server: Any, authorization: str) -> None:
    response = server.get("/metrics", authorization=authorization)
    assert (response.status, response.json()["code"]) == (404, "metrics_off")
    assert "JETBRIDGE_METRICS_TOKEN" in response.json()["message"]


def test_who_cannot_be_served_is_told_no_path(serve: Any) -> None:
    def broken() -> Credentials:
        raise OSError("unable to open database file: /home/ada/.jetbridge/state.db")

    server = serve(load_credentials=broken)
    for response in (server.get("/readyz"), server.post("/v1/identify", {"userId": "u", "writeKey": "k"})):
        assert (response.status, b"/home" in response.data) == (503, False)
