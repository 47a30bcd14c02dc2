"""The last events are remembered, within bounds."""

import pytest

from jetbridge.integrations.mailjet.events import reader
from jetbridge.integrations.mailjet.events.reader import RecentEvents, key_of


def test_the_last_are_remembered_and_no_more_than_twice_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "RECENT_EVENTS", 100)
    events = RecentEvents()
    for number in range(1_000):
        events.add([number])
        remembered = [key for key in range(number + 1) if key in events]
        assert remembered == list(range(number + 1 - len(remembered), number + 1))
        assert min(number + 1, 100) <= len(remembered) <= 200


def test_a_key_is_a_part_of_the_id() -> None:
    assert key_of("mailjet-0123456789abcdef00000000000000ff") == 255
