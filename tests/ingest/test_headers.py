"""What every response tells the browser, whoever makes it, and which of them pages of other origins may read."""

from typing import Any

import pytest
from starlette.responses import PlainTextResponse

ORIGIN = "https://evil.example"

#: Of the tracking API, and all others.
OPEN = [
    ("POST", "/v1/identify"),
    ("POST", "/v1/batch"),
    ("GET", "/v1/identify"),
    ("GET", "/v1/nothing"),
    ("OPTIONS", "/v1/t"),
    ("GET", "/v1/pixel/track"),
    ("GET", "/v1/projects/nobody/settings"),
]
CLOSED = [
    ("POST", "/segment"),
    ("GET", "/segment"),
    ("OPTIONS", "/segment"),
    ("POST", "/mailjet/events/nobody"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("OPTIONS", "/metrics"),
    ("GET", "/v1"),
    ("GET", "/login"),
    ("POST", "/"),
]


@pytest.mark.parametrize(("method", "path"), OPEN + CLOSED)
def test_only_the_tracking_api_may_be_read_by_pages_of_other_origins(
    home: Any, serve: Any, method: str, path: str
) -> None:
    server = serve(console=PlainTextResponse("console"))
    headers = server.http.request(method, path, headers={"Origin": ORIGIN}).headers
    is_open = (method, path) in OPEN
    assert headers.get("access-control-allow-origin") == (ORIGIN if is_open else None)
    assert ("access-control-allow-credentials" in headers) == is_open


@pytest.mark.parametrize("public_url", ["https://jetbridge.example.com", "http://127.0.0.1:8080"])
@pytest.mark.parametrize(("method", "path"), OPEN + CLOSED)
def test_no_response_is_sniffed_and_https_stays(
    home: Any, serve: Any, method: str, path: str, public_url: str
) -> None:
    server = serve(console=PlainTextResponse("console"), public_url=public_url)
    headers = server.http.request(method, path).headers
    assert headers.getlist("x-content-type-options") == ["nosniff"]
    hsts = ["max-age=31536000"] if public_url.startswith("https") else []
    assert headers.getlist("strict-transport-security") == hsts
