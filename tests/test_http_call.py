from datetime import UTC, datetime

import pytest

from jetbridge.errors import TransientError
from jetbridge.http_call import Service, retry_after_seconds


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


def test_who_cannot_be_reached_is_told_without_the_words_of_a_library() -> None:
    service = Service("Mailjet", "http://127.0.0.1:9", timeout_seconds=1.0)
    with pytest.raises(TransientError) as raised:
        service.call("GET", "/v3/REST/user?secret", headers={})
    told = str(raised.value)
    assert told.startswith(
        "Mailjet at 127.0.0.1:9 cannot be reached. (GET /v3/REST/user: Failed to establish"
    )
    assert "HTTPConnection" not in told
