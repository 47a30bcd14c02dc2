"""The pixel answers with an image whatever happens, and keeps the calls that are calls."""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from jetbridge.ingest.tracking import GIF


def assert_image(response: Any) -> None:
    assert (response.status, response.headers["content-type"], response.data) == (200, "image/gif", GIF)


def encoded(call: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(call).encode()).decode()


def test_the_image_is_one_transparent_pixel() -> None:
    assert GIF[:6] == b"GIF89a"
    assert GIF[6:10] == b"\x01\x00\x01\x00"
    assert GIF[-1:] == b";"


@pytest.mark.parametrize(
    "write", [quote, lambda text: text, lambda text: text.rstrip("="), lambda text: text.replace("/", "_")]
)
def test_a_call_in_base64(server: Any, write: Any) -> None:
    call = {"writeKey": server.write_key, "userId": "u", "event": "Email Opened", "properties": {"a": "ÿ?>"}}
    assert_image(server.get(f"/v1/pixel/track?data={write(encoded(call))}"))
    [message] = server.messages()
    assert (message["type"], message["event"], message["properties"]) == (
        "track",
        "Email Opened",
        {"a": "ÿ?>"},
    )


def test_a_call_in_the_query(server: Any) -> None:
    query = urlencode(
        {
            "writeKey": server.write_key,
            "userId": "025waflo3d65",
            "event": "Email Opened",
            "properties.subject": "The Electric Daily",
            "context.campaign.name": "Welcome",
        }
    )
    assert_image(server.get(f"/v1/pixel/track?{query}"))
    [message] = server.messages()
    assert message["properties"] == {"subject": "The Electric Daily"}
    assert message["context"] == {"campaign": {"name": "Welcome"}, "ip": "127.0.0.1"}
    assert message["channel"] == "client"


@pytest.mark.parametrize("call", ["identify", "page", "screen"])
def test_other_calls(server: Any, call: str) -> None:
    assert_image(server.get(f"/v1/pixel/{call}?writeKey={server.write_key}&userId=u"))
    assert [record.type for record in server.records()] == [call]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "data=%%%",
        "data=AAAA",
        "data=" + "A" * 5,
        "userId=u",
        "writeKey=nope&userId=u",
        "a=1&a.b=2",
        "%ff=%fe&" * 50,
        ".".join("a" * 2000) + "=1",
    ],
)
def test_an_image_even_for_nonsense(server: Any, query: str) -> None:
    assert_image(server.get(f"/v1/pixel/track?{query}"))
    assert server.records() == []


def test_an_image_even_for_a_call_that_does_not_exist(server: Any) -> None:
    assert_image(server.get(f"/v1/pixel/shout?writeKey={server.write_key}&userId=u"))


def test_a_bad_call_of_a_known_sender_is_kept(server: Any) -> None:
    assert_image(server.get(f"/v1/pixel/track?writeKey={server.write_key}&userId=u"))
    assert server.errors() == ["event_not_defined: A track call needs the name of its event."]
