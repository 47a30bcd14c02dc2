"""The endpoint for whole Segment workspaces: Basic, or a signature; one call or an array of them."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from jetbridge.eventlog.base import INVALID

IDENTIFY = {
    "type": "identify",
    "userId": "u",
    "traits": {"email": "ada@example.com"},
    "timestamp": "2020-01-02T00:00:00.000Z",
    "originalTimestamp": "2020-01-01T00:00:00.000Z",
    "receivedAt": "2020-01-02T00:00:01.000Z",
    "sentAt": "2020-01-01T00:00:00.500Z",
    "projectId": "p1",
    "version": "1.1",
    "channel": "server",
}

#: As in Segment's partner spec.
DELETE = {
    "type": "delete",
    "channel": "server",
    "userId": "u",
    "context": None,
    "integrations": [],
    "messageId": "delete-reg-1::job-1-p1",
    "timestamp": "2020-05-09T23:54:50.000Z",
    "originalTimestamp": "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29",
}


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def signature(signed: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest()


@pytest.fixture
def authorized(server: Any) -> dict[str, str]:
    return {"authorization": basic(server.authentication_key)}


class TestSubscription:
    def test_a_call_is_taken_as_segment_has_processed_it(
        self, server: Any, authorized: dict[str, str]
    ) -> None:
        response = server.post("/segment", IDENTIFY, **authorized)
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        [message] = server.messages()
        assert message["timestamp"] == "2020-01-02T00:00:00Z"
        assert message["originalTimestamp"] == "2020-01-01T00:00:00.000Z"
        assert (message["projectId"], message["channel"]) == ("p1", "server")
        assert server.records()[0].source == server.segment

    def test_its_settings_come_with_it(self, server: Any, authorized: dict[str, str]) -> None:
        settings = base64.b64encode(json.dumps({"listId": "123", "apiKey": "k"}).encode()).decode()
        server.post("/segment", IDENTIFY, x_segment_settings=settings, **authorized)
        assert server.messages()[0]["_settings"] == {"listId": "123"}  # the key is not written into the log

    @pytest.mark.parametrize("settings", ["%%%", base64.b64encode(b"[1]").decode(), "e30x"])
    def test_settings_that_are_none_are_refused(
        self, server: Any, authorized: dict[str, str], settings: str
    ) -> None:
        response = server.post("/segment", IDENTIFY, x_segment_settings=settings, **authorized)
        assert (response.status, response.json()["code"]) == (400, "bad_settings")

    def test_delete_messages(self, server: Any, authorized: dict[str, str]) -> None:
        assert server.post("/segment", DELETE, **authorized).status == 200
        [message] = server.messages()
        assert (message["type"], message["userId"]) == ("delete", "u")
        assert message["originalTimestamp"] == DELETE["originalTimestamp"]

    def test_an_unknown_call_type_is_501_and_kept(self, server: Any, authorized: dict[str, str]) -> None:
        response = server.post("/segment", {"type": "shout", "userId": "u"}, **authorized)
        assert response.status == 501
        assert response.json()["message"].startswith('"shout" is not a call type here.')
        assert [record.type for record in server.records()] == [INVALID]

    def test_a_malformed_call_is_400_and_kept(self, server: Any, authorized: dict[str, str]) -> None:
        response = server.post("/segment", {"type": "identify"}, **authorized)
        assert (response.status, response.json()["message"]) == (
            400,
            "The call has neither userId nor anonymousId.",
        )
        assert [record.type for record in server.records()] == [INVALID]

    @pytest.mark.parametrize("headers", [{}, {"authorization": basic("nope")}, {"authorization": "Bearer x"}])
    def test_an_unknown_key_is_401(self, server: Any, headers: dict[str, str]) -> None:
        response = server.post("/segment", IDENTIFY, **headers)
        assert response.status == 401
        assert response.json()["message"]
        assert server.records() == []

    def test_a_write_key_is_no_authentication_key(self, server: Any) -> None:
        assert server.post("/segment", IDENTIFY, authorization=basic(server.write_key)).status == 401


class TestSigned:
    """JSON.stringify leaves no spaces, writes 1.0 as 1 and non-ASCII as it is; we never write it again."""

    BODY = '{"type":"identify","userId":"é","traits":{"n":1e21,"m":1}}'.encode()
    ARRAY = b"[" + BODY + b',{"type":"track","userId":"u","event":"E"}]'

    @pytest.mark.parametrize("body", [BODY, ARRAY], ids=["single", "array"])
    def test_a_signature_of_the_first_call_is_enough(self, server: Any, body: bytes) -> None:
        fits = signature(self.BODY, server.authentication_key)
        response = server.post(f"/segment/{server.segment}", body, x_signature=fits)
        assert response.status == 200
        assert server.messages()[0]["userId"] == "é"
        assert len(server.messages()) == (2 if body is self.ARRAY else 1)

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_by_other_methods(self, server: Any, method: str) -> None:
        fits = signature(self.BODY, server.authentication_key)
        response = server.http.request(
            method, f"/segment/{server.segment}", body=self.BODY, headers={"X-Signature": fits}
        )
        assert response.status == 200

    @pytest.mark.parametrize("wrong", ["", "0" * 40, "é"])
    def test_another_signature_is_401(self, server: Any, wrong: str) -> None:
        response = server.post(f"/segment/{server.segment}", self.BODY, x_signature=wrong)
        assert (response.status, server.records()) == (401, [])

    def test_a_previous_key_that_is_still_good_may_sign(self, server: Any) -> None:
        fits = signature(self.BODY, server.previous_key)
        assert server.post(f"/segment/{server.segment}", self.BODY, x_signature=fits).status == 200

    def test_a_signature_under_another_secret_is_401(self, server: Any) -> None:
        response = server.post(
            f"/segment/{server.segment}", self.BODY, x_signature=signature(self.BODY, server.write_key)
        )
        assert (response.status, response.json()["code"]) == (401, "bad_signature")

    @pytest.mark.parametrize("path", ["/segment", "/segment/999", "/segment/1"])
    def test_it_must_name_an_app_connection(self, server: Any, path: str) -> None:
        fits = signature(self.BODY, server.authentication_key)
        assert server.post(path, self.BODY, x_signature=fits).status == 401

    def test_a_key_of_another_connection_is_401(self, server: Any) -> None:
        response = server.post("/segment/999", IDENTIFY, authorization=basic(server.authentication_key))
        assert response.status == 401


class TestArrays:
    def test_a_bad_item_is_kept_and_the_others_are_taken(
        self, server: Any, authorized: dict[str, str]
    ) -> None:
        response = server.post("/segment", [IDENTIFY, {"type": "shout"}, DELETE], **authorized)
        assert response.status == 200
        assert [record.type for record in server.records()] == ["identify", "delete", INVALID]

    def test_without_any_call_it_is_refused(self, server: Any, authorized: dict[str, str]) -> None:
        assert server.post("/segment", [], **authorized).status == 400
        assert server.post("/segment", [{}], **authorized).status == 400
