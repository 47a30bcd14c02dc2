"""Real loops: what leaves by one destination comes back by a source, and ends there."""

import base64
from typing import TYPE_CHECKING, Any

import pytest

from .test_changes import Workplace

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = [pytest.mark.acceptance]


@pytest.mark.parametrize("kind", ["segment", "webhook"])
def test_a_destination_that_sends_to_its_own_source_gets_nothing_twice(
    loop: "Loop", eventually: Any, kind: str
) -> None:
    workplace = Workplace(loop)
    app = workplace.api("POST", "sources", {"name": "App"})
    key = base64.b64encode(f"{app['write_key']}:".encode()).decode()
    settings = {
        "segment": {"endpoint": loop.url, "writeKey": app["write_key"]},
        "webhook": {"url": f"{loop.url}/v1/identify", "headers": {"Authorization": f"Basic {key}"}},
    }
    made = workplace.api(
        "POST",
        "destinations",
        {"kind": kind, "name": "Round", "settings": settings[kind], "sources": [app["id"]], "enabled": True},
    )
    for number in range(3):
        workplace.identify(app["write_key"], f"u{number}")

    def row() -> Any:
        return next(each for each in loop.status()["destinations"] if each["id"] == made["id"])

    eventually(lambda: row()["reasons"].get("filtered", {}).get("ALREADY_PASSED") == 3, "they came back")
    assert (row()["delivered"], row()["received"]) == (3, 6)
