"""The configuration as the worker sees it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jetbridge.control import directory
from jetbridge.control.models import Workspace
from jetbridge.integrations import registry
from jetbridge.spec.message import Message

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def test_a_consumer_that_runs_hears_which_trait_carries_consent_elsewhere(home: Path) -> None:
    """Its own blocks and filters protect that trait, so it must know before the next message."""
    source = Workspace.objects.create(name="Shop").sources.create(kind="http", name="Website")
    row = source.workspace.destinations.create(kind="segment", name="Segment", secrets='{"writeKey": "k"}')
    row.sources.add(source)
    source.blocks.create(type="identify", name="news")
    other = source.workspace.destinations.create(kind="mailjet", name="Mailjet", enabled=False)
    message = Message(
        type="identify", message_id="m", timestamp=NOW, received_at=NOW, user_id="u", traits={"news": "no"}
    )

    def traits() -> Any:
        ref = directory.destination(row.id)
        assert ref
        return registry.destination("segment").route(ref).decide(message, source.id).message.traits

    before = directory.destination_version(row.id)
    assert not traits()
    other.settings = {"unsubscribedTrait": "news"}
    other.save()
    changed = directory.destination_version(row.id)
    assert changed != before
    assert traits() == {"news": "no"}
    other.settings = {"unsubscribedTrait": "news", "mapping": "plan"}
    other.save()
    assert directory.destination_version(row.id) == changed, "other settings are not its concern"
    elsewhere = Workspace.objects.create(name="Third")
    elsewhere.destinations.create(kind="mailjet", name="Mailjet", settings={"unsubscribedTrait": "x"})
    assert directory.destination_version(row.id) == changed
