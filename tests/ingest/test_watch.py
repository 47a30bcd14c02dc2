"""The pages for those who watch over Jetbridge."""

import re
from pathlib import Path
from typing import Any

from jetbridge.control.models import Source, SourceKind, Workspace


def figures(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^(jetbridge\S+) (\S+)$", text, re.MULTILINE)}


def test_up_and_ready(server: Any) -> None:
    assert server.get("/healthz").json() == {"status": "ok"}
    assert server.get("/readyz").json() == {"status": "ready"}


def test_the_first_page_says_what_this_is(server: Any) -> None:
    answer = server.get("/")
    assert (answer.status, answer.json()["name"]) == (200, "Jetbridge")


def test_metrics_count_what_was_taken_and_what_was_not(home: Path, serve: Any) -> None:
    workspace = Workspace.objects.create(name="shop")
    site = Source.objects.create(workspace=workspace, name="site", kind=SourceKind.HTTP)
    server = serve()
    assert site.id == server.site
    for call in ({"userId": "u"}, {"userId": "v"}, {}):
        server.post("/v1/identify", {**call, "writeKey": server.write_key})
    server.post("/v1/identify", {"userId": "u", "writeKey": "nope"})
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert figures(answer.data.decode()) == {
        "jetbridge_eventlog_position": 3,
        'jetbridge_source_records_total{kind="message",name="site",source="1"}': 2,
        'jetbridge_source_records_total{kind="invalid",name="site",source="1"}': 1,
        'jetbridge_source_records_total{kind="email_event",name="site",source="1"}': 0,
        'jetbridge_refused_requests_total{code="no_user_anon_id"}': 1,
        'jetbridge_refused_requests_total{code="unknown_write_key"}': 1,
    }
