from datetime import UTC, datetime

import pytest

from jetbridge.http_call import retry_after_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        ("soon", None),
        ("-3", None),
        ("9" * 400, float("inf")),
        ("9999999999999999999999 Nov 2026 10:00", None),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, datetime(2026, 11, 23, 10, 0, tzinfo=UTC)) == seconds
