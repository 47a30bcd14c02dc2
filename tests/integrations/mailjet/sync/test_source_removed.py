"""A source that is removed takes no acknowledged message with it, and hides nothing of a person from an erasure."""

from typing import Any

import pytest

from jetbridge.control.models import Source
from jetbridge.delivery.report import report
from jetbridge.errors import ConfigurationError
from jetbridge.services import removal

from .test_erasure import forget


def remove(bridge: Any) -> None:
    source = Source.objects.get(id=bridge.source)
    source.enabled = False
    source.save()
    removal.remove_source(source, bridge.log.counts())


def test_it_waits_until_every_destination_has_read_its_messages(bridge: Any) -> None:
    bridge.send("ada", {"email": "ada@example.com"})
    with pytest.raises(ConfigurationError, match="has not read 1 of its messages yet"):
        remove(bridge)
    assert Source.objects.filter(id=bridge.source).exists()


def test_what_was_counted_stays(started: Any) -> None:
    started.send("ada", {"email": "ada@example.com"})
    started.settle()
    remove(started)
    (row,) = report(started.log.counts)
    assert (row.received, row.delivered, row.balanced) == (1, 1, True)


def test_an_erasure_finds_what_it_has_sent(started: Any) -> None:
    started.send("ada", {"email": "ada@example.com"})
    started.settle()
    remove(started)
    forget(started, "ada")
    assert not any(record.body for record in started.log.read(0, limit=10))
