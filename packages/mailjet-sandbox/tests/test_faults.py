"""Requests that meet faults, seen by a real HTTP client."""

import threading
import time
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from mailjet_sandbox import server

if TYPE_CHECKING:
    from conftest import Box


def set_fault(box: "Box", kind: str, **fields: Any) -> int:
    response = box.call("POST", "/sandbox/faults", {"kind": kind, **fields})
    assert response.status == 201, response.data
    return int(response.json()["faults"][0]["id"])


def trigger_counts(box: "Box") -> list[int]:
    return [fault["triggered"] for fault in box.call("GET", "/sandbox/faults").json()["faults"]]


def names(box: "Box") -> list[str]:
    """List the contacts lists, past all faults."""
    box.call("DELETE", "/sandbox/faults")
    return [row["Name"] for row in box.get("contactslist")]


def create(box: "Box", name: str = "Customers") -> urllib3.BaseHTTPResponse:
    return box.call("POST", "/v3/REST/contactslist", {"Name": name})


def test_latency_delays_the_answer_and_nothing_else(box: "Box") -> None:
    set_fault(box, "latency", seconds=0.3, endpoint="POST contactslist")

    started = time.monotonic()
    assert create(box).status == 201
    assert time.monotonic() - started >= 0.3
    box.get("contactslist")
    assert trigger_counts(box) == [1]
    assert names(box) == ["Customers"]


def test_latencies_add_up_and_may_come_from_a_range(box: "Box") -> None:
    set_fault(box, "latency", seconds=0.1, to_seconds=0.2)
    set_fault(box, "latency", seconds=0.1, when="after")

    started = time.monotonic()
    box.get("user")

    assert time.monotonic() - started >= 0.2
    assert trigger_counts(box) == [1, 1]


def outcome(box: "Box") -> int | str:
    """Create a list, and return the answer's status or how the connection broke."""
    try:
        return create(box).status
    except ProtocolError as error:
        return type(error.args[1]).__name__


@pytest.mark.parametrize(("when", "done"), [("before", []), ("after", ["Customers"])])
class TestTheWork:
    """What was done of a request that got no good answer."""

    def test_reset_is_a_real_reset(self, box: "Box", when: str, done: list[str]) -> None:
        set_fault(box, "reset", when=when)

        with pytest.raises(ProtocolError) as caught:
            create(box)

        assert isinstance(caught.value.args[1], ConnectionResetError)
        assert names(box) == done

    def test_reset_of_a_large_request(self, box: "Box", when: str, done: list[str]) -> None:
        set_fault(box, "reset", when=when)

        with pytest.raises(ProtocolError) as caught:
            box.call("POST", "/v3/REST/contactslist", b'{"Name": "Customers"' + b" " * 5_000_000 + b"}")

        assert isinstance(caught.value.args[1], ConnectionResetError)
        assert names(box) == done

    def test_hang_of_which_the_client_tires(self, box: "Box", when: str, done: list[str]) -> None:
        set_fault(box, "hang", when=when)

        with pytest.raises(ReadTimeoutError):
            box.http.request(
                "POST", f"{box.url}/v3/REST/contactslist", json={"Name": "Customers"}, timeout=0.3
            )

        box.until(lambda: "499" in box.call("GET", "/").data.decode())
        assert names(box) == done

    def test_status(self, box: "Box", when: str, done: list[str]) -> None:
        set_fault(box, "status", status=503, when=when)

        assert create(box).status == 503
        assert names(box) == done

    def test_cut_body(self, box: "Box", when: str, done: list[str]) -> None:
        set_fault(box, "corrupted_response", body="cut", when=when)

        with pytest.raises(ProtocolError) as caught:
            create(box)

        assert isinstance(caught.value.args[1], IncompleteRead)
        assert names(box) == done

    @pytest.mark.parametrize("body", ["truncated", "html", "empty"])
    def test_body_that_is_no_json(self, box: "Box", when: str, done: list[str], body: str) -> None:
        set_fault(box, "corrupted_response", body=body, when=when)

        response = create(box)

        assert response.status == {"before": 200, "after": 201}[when]
        with pytest.raises(ValueError, match=r"."):
            response.json()
        assert {
            "truncated": response.data.startswith(b'{ "Count" : 1, "Data" : [{ "'),
            "html": response.headers["Content-Type"] == "text/html",
            "empty": response.data == b"",
        }[body]
        assert names(box) == done


def test_hang_ends_with_its_fault_and_the_request_goes_its_way(box: "Box") -> None:
    number = set_fault(box, "hang", endpoint="POST contactslist")
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(create(box)))
    caller.start()
    box.until(lambda: trigger_counts(box) == [1])
    assert (answers, box.get("contactslist")) == ([], [])

    assert box.call("DELETE", f"/sandbox/faults/{number}").status == 204
    caller.join(timeout=20)

    assert answers[0].status == 201
    assert names(box) == ["Customers"]


def test_hang_ends_when_its_time_is_over(box: "Box") -> None:
    set_fault(box, "hang", for_seconds=0.4)

    started = time.monotonic()
    box.get("user")

    assert time.monotonic() - started > 0.3


def test_sandbox_with_a_hanging_request_stops_without_delay(
    open_box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "GRACE_SECONDS", 60.0)
    with open_box() as box:
        set_fault(box, "hang")
        caller = threading.Thread(target=outcome, args=(box,))
        caller.start()
        box.until(lambda: trigger_counts(box) == [1])
        started = time.monotonic()

    assert time.monotonic() - started < 30
    caller.join(timeout=20)
    assert not caller.is_alive()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": 429}, ("text/html", b"Rate limit exceeded", None)),
        ({"status": 429, "retry_after": 7}, ("text/html", b"Rate limit exceeded", "7")),
        ({"status": 401}, ("text/html", b"", None)),
        ({"status": 503, "body": "empty", "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
         ("text/html", b"", "Wed, 21 Oct 2026 07:28:00 GMT")),
    ],
)  # fmt: skip
def test_status_comes_as_mailjet_sends_it(box: "Box", fields: Any, expected: Any) -> None:
    set_fault(box, "status", **fields)

    response = create(box)

    assert response.status == fields["status"]
    assert (response.headers["Content-Type"], response.data, response.headers.get("Retry-After")) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": 500, "identifier": False}, ("An Unexpected Error occurred during API request", "")),
        ({"status": 403}, ("Access to this resource is forbidden", "")),
        ({"status": 404}, ("Not Found", "")),
        ({"status": 400, "message": 'Invalid key name: "age"'}, ('Invalid key name: "age"', "")),
    ],
)
def test_json_errors(box: "Box", fields: Any, expected: Any) -> None:
    set_fault(box, "status", **fields)

    answer = create(box).json()

    assert answer.pop("StatusCode") == fields["status"]
    assert (answer.pop("ErrorMessage"), answer.pop("ErrorInfo")) == expected
    assert answer == {}


def test_server_errors_have_an_identifier(box: "Box") -> None:
    set_fault(box, "status", status=502)

    answer = create(box).json()

    assert len(answer.pop("ErrorIdentifier")) == 36
    assert answer == {"ErrorInfo": "", "ErrorMessage": "Bad Gateway", "StatusCode": 502}


def test_wrong_key_as_json_and_in_the_newer_family(box: "Box") -> None:
    set_fault(box, "status", status=401, body="json")

    assert create(box).json()["ErrorMessage"].startswith("API key authentication/authorization failure.")
    newer = box.call("DELETE", "/v4/contacts/5")
    assert sorted(newer.json()) == ["ErrorIdentifier", "ErrorMessage", "StatusCode"]


def test_html_error_page(box: "Box") -> None:
    set_fault(box, "status", status=504, body="html")

    assert b"<title>504 Gateway Timeout</title>" in create(box).data


def test_responses_without_a_body_cannot_be_corrupted(box: "Box") -> None:
    list_id = box.new_list()
    set_fault(box, "corrupted_response", body="html", when="after")

    assert box.call("PUT", f"/v3/REST/contactslist/{list_id}", {}).status == 304


def test_connection_is_good_again_after_a_fault(box: "Box") -> None:
    set_fault(box, "reset", times=1)
    set_fault(box, "corrupted_response", body="cut", times=1)

    assert [outcome(box) for _ in range(4)] == ["ConnectionResetError", "IncompleteRead", 201, 201]


def test_calls_that_triggered_a_fault_are_counted_and_marked_on_the_page(box: "Box") -> None:
    set_fault(box, "status", status=503, rate=0.5, endpoint="POST contactslist")
    for _ in range(4):
        create(box)

    assert box.call("GET", "/sandbox/calls").json() == {"calls": {"POST contactslist": 4}}
    page = box.call("GET", "/").data.decode()
    assert "<h2>Faults <small>1</small></h2>" in page
    assert "<td>status</td>\n<td>active</td>" in page
    assert "<i>endpoint</i> POST contactslist" in page


def test_control_is_beyond_all_faults(box: "Box") -> None:
    set_fault(box, "reset")

    assert box.call("GET", "/sandbox/calls").status == 200
    assert box.call("GET", "/").status == 200
