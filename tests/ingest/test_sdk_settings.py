from typing import Any

import pytest


@pytest.mark.parametrize(
    ("public_url", "host", "protocol"),
    [
        ("https://jetbridge.example.com", "jetbridge.example.com/v1", "https"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080/v1", "http"),
        ("https://example.com/jetbridge", "example.com/jetbridge/v1", "https"),
    ],
)
def test_libraries_are_led_to_the_public_address(
    serve: Any, public_url: str, host: str, protocol: str
) -> None:
    server = serve(public_url=public_url)
    response = server.get(f"/v1/projects/{server.write_key}/settings", origin="https://shop.example")
    segment = response.json()["integrations"]["Segment.io"]
    assert response.status == 200
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert (segment["apiKey"], segment["apiHost"], segment["protocol"]) == (server.write_key, host, protocol)


def test_an_unknown_key_has_none(server: Any) -> None:
    response = server.get("/v1/projects/nope/settings")
    assert (response.status, response.json()["code"]) == (404, "unknown_write_key")
