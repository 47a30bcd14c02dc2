"""docs/ingest.md names what there is."""

from pathlib import Path

from jetbridge.ingest import tracking
from jetbridge.spec import limits
from jetbridge.spec.untrusted import NESTING

PAGE = (Path(__file__).parents[2] / "docs" / "ingest.md").read_text()


def test_every_path_of_the_tracking_api() -> None:
    assert [path for path in (*tracking.PATHS, "/v1/m") if f"`{path}`" not in PAGE] == []


def test_the_limits() -> None:
    assert f"{limits.EVENT_BYTES // 1024} KB" in PAGE
    assert f"{limits.BATCH_BYTES // 1024} KB, {limits.BATCH_EVENTS:,} calls" in PAGE
    assert f"{NESTING} levels" in PAGE
    assert f"{limits.PARTNER_BYTES // 2**20} MB and {limits.PARTNER_EVENTS:,} calls" in PAGE
    assert f"{limits.EMAIL_EVENTS_BYTES // 2**20} MB and {limits.EMAIL_EVENTS:,} events" in PAGE
