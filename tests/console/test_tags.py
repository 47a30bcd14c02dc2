"""What templates say: times, numbers, icons, assets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from jetbridge.console.templatetags import console as tags


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(), "now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=3, seconds=5), "3 min ago"),
        (timedelta(hours=30), "1 d ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(seconds=-90), "in 1 min"),
    ],
)
def test_a_time_is_told_by_its_distance(distance: timedelta, text: str, monkeypatch: Any) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert f">{text}</time>" in str(tags.ago(now - distance))


def test_a_time_holds_the_exact_one() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    expected = '<time datetime="2026-01-02T03:04:05.678+00:00" title="2026-01-02 03:04:05 UTC">'
    assert str(tags.ago(at)).startswith(expected)
    assert tags.ago(int(at.timestamp() * 1000)) == tags.ago(at)
    assert tags.ago(None) == "never"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_234, "1.23k"),
        (12_345, "12.3k"),
        (1_204_331, "1.2M"),
        (999_400, "999k"),
        (999_999, "1M"),
        (3e9, "3G"),
        (None, ""),
    ],
)
def test_a_large_number_is_short(value: Any, text: str) -> None:
    assert tags.short(value) == text


def test_a_number_has_commas() -> None:
    assert (tags.number(1_234_567), tags.number(None)) == ("1,234,567", "")


def test_an_asset_has_an_address_of_its_content() -> None:
    assert tags.asset("console/console.css").startswith("/static/console/console.css?v=")
    with pytest.raises(FileNotFoundError):
        tags.asset("console/nothing.css")


def test_a_long_text_is_shown_as_far_as_it_is_of_use() -> None:
    assert tags.shortened("x" * 300) == "x" * 300
    assert tags.shortened("x" * 10_000) == "x" * 300 + "… (10,000 characters)"


def test_an_icon_says_nothing_to_screen_readers() -> None:
    assert 'aria-hidden="true"' in tags.icon("check")


def test_what_stands_between_backticks_is_code_and_nothing_else_is_html() -> None:
    assert tags.with_code("Run `jetbridge <x>` <b>") == "Run <code>jetbridge &lt;x&gt;</code> &lt;b&gt;"


def test_an_action_of_the_audit_log_is_told_in_words() -> None:
    assert tags.in_words("app-connection.old-key-ended") == "app connection old key ended"
