"""Records that nobody can read break no page, no answer of the API and no command: all others are shown beside them."""

from typing import Any

import pytest

from jetbridge.delivery import batch, ledger
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog

from .delivered import Joined, identify, join

BODIES = [b"{", b"[]", b'"\xff"', b"[" * 3_000, b'{"type":"identify","traits":7}', b"\x00"]


@pytest.fixture
def joined(people: Any, event_log: SqliteEventLog) -> Joined:
    """Each has failed by itself, as the consumer writes it; two others were delivered."""
    joined = join(people, event_log)
    event_log.append([identify(joined.source, "first", email="first@example.com")])
    event_log.append(Entry(joined.source.id, "identify", 1_000, body) for body in BODIES)
    event_log.append([identify(joined.source, "last", email="last@example.com")])
    counts = DeliveryCounts(delivered=2)
    for number, body in enumerate(BODIES, 2):
        counts.fail(batch.failure_of(ValueError("no"), number, body))
    end = event_log.counts().end
    with ledger.commit(joined.row.id, end, {joined.source.id: end}, counts):
        pass
    return joined


def page(client: Any, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return str(answer.content.decode())


def test_every_page_that_shows_messages_shows_the_others(joined: Joined, client_of: Any) -> None:
    client, source = client_of("editor"), f"/w/{joined.row.workspace_id}/sources/{joined.source.id}"
    listed = page(client, f"{source}/debugger")
    assert "first" in listed
    assert "last" in listed
    assert listed.count("not readable") >= len(BODIES)
    for position in range(1, len(BODIES) + 3):
        opened = page(client, f"{source}/debugger/{position}")
        assert ("INTERNAL_ERROR" in opened) == (2 <= position < len(BODIES) + 2)
    for name, more in (
        ("destination", ()),
        ("destination-event-delivery", ()),
        ("destination-reason", ("failed", "INTERNAL_ERROR")),
        ("destination-filters", ()),
        ("destination-mapping", ()),
        ("destination-tester", ()),
    ):
        assert "Jetbridge" in page(client, joined.url(name, *more))
    for row in DeliveryRecordRow.objects.all():
        page(client, joined.url("destination-sample", row.id))
