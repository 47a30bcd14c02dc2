"""Setting faults: by control call, by file and by option; when they trigger, and that it can be repeated."""

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailjet_sandbox.faults.kinds import ErrorStatus, Latency
from mailjet_sandbox.faults.scenario import BadFault, manual, read_file, read_short

if TYPE_CHECKING:
    from conftest import Box

DOCS = Path(__file__).parents[1] / "docs"


def post(box: "Box", *faults: dict[str, Any]) -> Any:
    response = box.call("POST", "/sandbox/faults", {"faults": list(faults)})
    assert response.status == 201, response.data
    return response.json()["faults"]


def shown(box: "Box") -> Any:
    return box.call("GET", "/sandbox/faults").json()["faults"]


def statuses(box: "Box", count: int = 20, path: str = "user") -> list[int]:
    return [box.call("GET", f"/v3/REST/{path}").status for _ in range(count)]


def test_faults_are_listed_in_full_with_how_often_they_triggered(box: "Box") -> None:
    post(box, {"kind": "latency", "seconds": 0, "endpoint": "GET user"})
    statuses(box, 3)

    assert shown(box) == [
        {
            "id": 1,
            "state": "active",
            "triggered": 3,
            "kind": "latency",
            "seconds": 0.0,
            "to_seconds": None,
            "endpoint": "GET user",
            "when": "before",
            "rate": 1.0,
            "from_seconds": 0.0,
            "for_seconds": None,
            "times": None,
        }
    ]


def test_one_fault_is_taken_away_or_all(box: "Box") -> None:
    post(box, {"kind": "reset"}, {"kind": "hang"}, {"kind": "status", "status": 503})

    assert box.call("DELETE", "/sandbox/faults/1").status == 204
    assert box.call("DELETE", "/sandbox/faults/1").status == 404
    assert [fault["id"] for fault in shown(box)] == [2, 3]

    assert [fault["id"] for fault in box.call("DELETE", "/sandbox/faults").json()["faults"]] == [2, 3]
    assert shown(box) == []
    assert statuses(box, 1) == [200]


def test_reset_of_the_account_leaves_faults_set(box: "Box") -> None:
    post(box, {"kind": "status", "status": 503})

    box.call("POST", "/sandbox/reset", {"state": True})

    assert statuses(box, 1) == [503]


def test_times_and_the_order_of_faults(box: "Box") -> None:
    post(box, {"kind": "status", "status": 503, "times": 2}, {"kind": "status", "status": 429, "times": 1})

    assert statuses(box, 5) == [503, 503, 429, 200, 200]
    assert [(fault["triggered"], fault["state"]) for fault in shown(box)] == [(2, "over"), (1, "over")]


def test_time_at_which_a_fault_begins_and_ends(box: "Box") -> None:
    post(box, {"kind": "status", "status": 503, "from_seconds": 0.3, "for_seconds": 0.3})
    begun = time.monotonic()
    seen = []
    while time.monotonic() < begun + 1.0:
        status, state = statuses(box, 1)[0], shown(box)[0]["state"]
        seen += [(status, state)] if (status, state) not in seen else []

    assert seen[0] == (200, "waiting")
    assert (503, "active") in seen
    assert seen[-1] == (200, "over")


@pytest.mark.parametrize(
    ("endpoint", "path", "meets"),
    [
        ("*", "user", True),
        ("GET *", "user", True),
        ("POST *", "user", False),
        ("user", "user", True),
        ("get User", "USER", True),
        ("contact", "contact/5", False),
        ("contact*", "contact/a@example.com", True),
        ("contactslist/*/managemanycontacts/*", "ContactsList/5/ManageManyContacts/9", True),
        ("contactslist/*/managemanycontacts", "contactslist/5/managemanycontacts/9", False),
        ("contact/a@example.com", "contact/A%40example.com", True),
    ],
)
def test_endpoints(box: "Box", endpoint: str, path: str, meets: Any) -> None:
    post(box, {"kind": "status", "status": 418, "endpoint": endpoint})

    assert (statuses(box, 1, path) == [418]) is meets


def test_endpoint_names_neither_version_nor_family(box: "Box") -> None:
    for endpoint in ("DELETE contacts/5", "send", "GET batchjob/*/jsonerror/*"):
        post(box, {"kind": "status", "status": 418, "endpoint": endpoint})

    assert box.call("DELETE", "/v4/contacts/5").status == 418
    assert box.call("POST", "/v3.1/send", {}).status == 418
    assert box.call("GET", "/v3/DATA/batchjob/5/JSONError/application:json/LAST").status == 418


class TestSeed:
    HALF = {"kind": "status", "status": 503, "rate": 0.5}

    def test_same_requests_meet_the_same_faults(self, open_box: Any) -> None:
        runs = []
        for seed in (1, 1, 2):
            with open_box(seed=seed) as box:
                post(box, self.HALF)
                runs.append(statuses(box))

        assert runs[0] == runs[1] != runs[2]
        assert 3 < runs[0].count(503) < 17

    def test_clearing_begins_anew(self, box: "Box") -> None:
        post(box, self.HALF)
        first = statuses(box)
        box.call("DELETE", "/sandbox/faults")
        post(box, self.HALF)

        assert statuses(box) == first

    def test_another_fault_shifts_nothing(self, box: "Box") -> None:
        post(box, self.HALF)
        first = statuses(box)
        box.call("DELETE", "/sandbox/faults")
        post(box, {"kind": "latency", "seconds": 0, "rate": 0.3}, self.HALF, {"kind": "hang", "rate": 0})

        assert statuses(box) == first

    def test_equal_faults_do_not_trigger_in_step(self, box: "Box") -> None:
        post(box, self.HALF, self.HALF)
        statuses(box)

        first, second = shown(box)
        assert first["triggered"] > 0
        assert second["triggered"] > 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "Invalid json input: "),
        ([], 'Expected a fault, {"kind": …}, or {"faults": [ … ]}; kind is one of latency, hang, reset'),
        ({"faults": [], "seed": 1}, 'Expected a fault, {"kind": …}'),
        ({"kind": "explode"}, "The fault: kind 'explode' is not one of latency, hang, reset"),
        ({"faults": [{"kind": "hang"}, 5]}, "Fault 2: 5 is not one of latency"),
        ({"faults": [{"rate": 1}]}, "Fault 1: kind None is not one of latency"),
        ({"kind": "hang", "rate": 2}, "The fault (hang): Expected `float` <= 1.0 - at `$.rate`. It takes "),
        ({"kind": "hang", "rate": 2}, "rate (a number from 0 to 1)"),
        ({"kind": "hang", "rat": 1}, "Object contains unknown field `rat`. It takes rate (a number"),
        ({"kind": "status"}, "status (a whole number from 400 to 599, required)"),
        ({"kind": "status", "status": 200}, "Expected `int` >= 400 - at `$.status`"),
        ({"kind": "corrupted_response", "body": "x"}, "body (one of cut, empty, html, truncated, required)"),
        ({"kind": "hang", "when": "now"}, "when (one of after, before)"),
        ({"kind": "hang", "endpoint": "/contact"}, "e.g. POST contactslist/*/managemanycontacts"),
        ({"kind": "hang", "endpoint": "v3/REST/contact"}, "without slash, version, REST or DATA before it"),
        ({"kind": "hang", "endpoint": "FETCH contact"}, "the method is one of GET, POST, PUT, DELETE, *"),
    ],
)
def test_bad_fault_is_refused_with_what_is_accepted(box: "Box", body: Any, words: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    response = box.call("POST", "/sandbox/faults", raw)

    assert response.status == 400
    assert words in response.json()["error"]
    assert shown(box) == []


def test_scenario_files(tmp_path: Path) -> None:
    expected = [ErrorStatus(status=429, retry_after=3, rate=0.2), Latency(seconds=1.0, to_seconds=2.0)]
    as_toml, as_json = tmp_path / "bad-day.toml", tmp_path / "bad-day.json"
    as_toml.write_text(
        '[[faults]]\nkind = "status"\nstatus = 429\nretry_after = 3\nrate = 0.2\n'
        '[[faults]]\nkind = "latency"\nseconds = 1\nto_seconds = 2\n'
    )
    as_json.write_text(
        '{"faults": [{"kind": "status", "status": 429, "retry_after": 3, "rate": 0.2},'
        ' {"kind": "latency", "seconds": 1, "to_seconds": 2}]}'
    )

    assert read_file(as_toml) == read_file(as_json) == expected


@pytest.mark.parametrize("content", ['{"faults": [{"kind": "frob"}]}', "{", '"\xff"', "[]"])
def test_bad_scenario_names_its_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(BadFault, match=str(path)):
        read_file(path)


def test_short_form() -> None:
    text = "status,status=503,rate=0.1,identifier=false,endpoint=POST contactslist/*,message=Try later"

    assert read_short(text) == ErrorStatus(
        status=503, rate=0.1, identifier=False, endpoint="POST contactslist/*", message="Try later"
    )


@pytest.mark.parametrize("text", ["", "frob", "hang,rate", "hang,rate=often", "hang,rate=[1]"])
def test_bad_short_form_repeats_itself(text: str) -> None:
    with pytest.raises(BadFault) as caught:
        read_short(text)

    assert repr(text) in str(caught.value)


def test_documentation_is_what_the_kinds_say() -> None:
    assert manual() in (DOCS / "faults.md").read_text()


def test_documented_scenario_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "bad-day.toml"
    example = re.search(r"```toml\n(.*?)```", (DOCS / "faults.md").read_text(), re.DOTALL)
    assert example
    path.write_text(example[1])

    assert [fault.rate for fault in read_file(path)] == [1.0, 0.2, 0.05, 1.0, 1.0]


@pytest.mark.parametrize("name", ["deep.json", "deep.toml"])
def test_a_scenario_that_is_nested_too_deeply_is_an_error_that_names_the_file(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_text(("faults = " if name.endswith("toml") else "") + "[" * 50_000)

    with pytest.raises(BadFault) as caught:
        read_file(path)

    assert str(path) in str(caught.value)
