"""The destinations that a message has passed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.spec.message import Message
from jetbridge.spec.outgoing import MOST, has_passed, pass_on

AT = datetime(2026, 11, 23, tzinfo=UTC)


def message(context: Any = None) -> Message:
    return Message(type="track", message_id="m", timestamp=AT, received_at=AT, context=context)


def test_each_destination_is_remembered_once() -> None:
    before = message({"ip": "192.0.2.1", "jetbridge": {"passed": ["a"]}})
    after = pass_on(pass_on(pass_on(before, "b"), "c"), "b")
    assert after.context == {"ip": "192.0.2.1", "jetbridge": {"passed": ["a", "c", "b"]}}
    assert all(has_passed(after, tag) for tag in "abc")
    assert not has_passed(before, "b")
    assert not has_passed(message(), "a")


def test_the_list_is_bounded_and_the_last_ones_stay() -> None:
    passed = message()
    for number in range(MOST * 2):
        passed = pass_on(passed, str(number))
    assert passed.context == {"jetbridge": {"passed": [str(number) for number in range(MOST, MOST * 2)]}}


@pytest.mark.parametrize(
    "ours", [None, "a", ["a"], {"passed": "a"}, {"passed": {"a": 1}}, {"passed": [["a"], {}, 5, None]}]
)
def test_whatever_a_stranger_writes_there_is_read(ours: Any) -> None:
    assert not has_passed(message({"jetbridge": ours}), "a")
    assert has_passed(pass_on(message({"jetbridge": ours}), "a"), "a")
