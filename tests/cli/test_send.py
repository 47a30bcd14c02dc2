"""`jetbridge send` against a Tracking API that the test scripts."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.cli.batch_sender import BATCH_BYTES, BatchSender, batches
from jetbridge.cli.identify_rows import Row
from jetbridge.cli.send_position import Position
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from conftest import Jetbridge


class TrackingApi(ThreadingHTTPServer):
    """Answers with what `script` says next, then 200; keeps the batches that it accepted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, dict[str, str]]] = []
        self.batches: list[list[dict[str, Any]]] = []
        self.keys: set[str] = set()
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def people(self) -> list[str]:
        return [call["userId"] for batch in self.batches for call in batch]


class _Handler(BaseHTTPRequestHandler):
    server: TrackingApi
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests += 1
        status, headers = self.server.script.pop(0) if self.server.script else (200, {})
        if status == 200:
            self.server.batches.append(body["batch"])
            self.server.keys.add(base64.b64decode(self.headers["authorization"].split()[1]).decode())
        answer = b'{"success":true}' if status == 200 else b"not now"
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def api() -> Iterator[TrackingApi]:
    server = TrackingApi()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("userId,email\n" + "".join(f"u{n},u{n}@example.com\n" for n in range(1_200)))
    return path


EVERYBODY = [f"u{n}" for n in range(1_200)]


def send(jetbridge: "Jetbridge", api: TrackingApi, path: Path | str, *more: str, stdin: str = "") -> Any:
    return jetbridge("send", str(path), "--write-key", "k", "--url", api.url, *more, stdin=stdin)


def test_a_file_arrives_whole_and_in_order(jetbridge: "Jetbridge", api: TrackingApi, people: Path) -> None:
    result = send(jetbridge, api, people)
    assert (result.status, result.out) == (0, f"1,200 identify calls were accepted by {api.url}.\n")
    assert api.people == EVERYBODY
    assert [len(batch) for batch in api.batches] == [500, 500, 200]
    assert api.keys == {"k:"}
    assert list(people.parent.glob("*.jetbridge-position*")) == []


def test_a_refused_batch_is_named_and_the_next_run_goes_on_from_there(
    jetbridge: "Jetbridge", api: TrackingApi, people: Path
) -> None:
    api.script = [(200, {}), (401, {})]
    first = send(jetbridge, api, people)
    assert (first.status, api.people) == (1, EVERYBODY[:500])
    assert (
        f"{people} lines 502 to 1001 were not accepted. The Tracking API answered 401: not now." in first.err
    )
    second = send(jetbridge, api, people)
    assert (second.status, api.people) == (0, EVERYBODY)
    assert f"{people}: going on after line 501." in second.err


def test_a_file_that_was_changed_starts_anew(jetbridge: "Jetbridge", api: TrackingApi, people: Path) -> None:
    api.script = [(200, {}), (400, {})]
    send(jetbridge, api, people)
    people.write_text("userId,email\nu9,u9@example.com\n")
    api.batches.clear()
    assert send(jetbridge, api, people).status == 0
    assert api.people == ["u9"]


def test_sending_again_sends_the_same_messages(
    jetbridge: "Jetbridge", api: TrackingApi, people: Path
) -> None:
    send(jetbridge, api, people)
    first = [call["messageId"] for batch in api.batches for call in batch]
    api.batches.clear()
    send(jetbridge, api, people)
    assert [call["messageId"] for batch in api.batches for call in batch] == first
    assert len(set(first)) == 1_200


def test_a_busy_api_is_tried_again_after_what_it_asked_for(
    jetbridge: "Jetbridge", api: TrackingApi, people: Path
) -> None:
    api.script = [(429, {"retry-after": "0"}), (503, {"retry-after": "0"})]
    result = send(jetbridge, api, people)
    assert (result.status, api.people, api.requests) == (0, EVERYBODY, 5)
    assert "The Tracking API answered 429: not now. Next try in 0." in result.err


def test_wrong_rows_are_named_and_the_others_arrive(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path
) -> None:
    path = tmp_path / "people.ndjson"
    path.write_text('{"userId": "u1"}\n{oops\n{"plan": "pro"}\n{"userId": "u2"}\n')
    result = send(jetbridge, api, path)
    assert (result.status, api.people) == (1, ["u1", "u2"])
    assert [line for line in result.err.splitlines() if str(path) in line] == [
        f"{path} line 2 is no JSON.",
        f"{path} line 3 has neither userId nor user_id nor email.",
        f"Error: 2 rows of {path} were not sent; see above.",
    ]


def test_stdin_is_a_file_too(jetbridge: "Jetbridge", api: TrackingApi) -> None:
    assert send(jetbridge, api, "-", stdin='{"userId": "u1", "a": 1}\n').status == 0
    assert send(jetbridge, api, "-", "--format", "csv", stdin="userId,a\nu2,1\n").status == 0
    assert api.people == ["u1", "u2"]


def sender(api: TrackingApi, waits: list[float]) -> BatchSender:
    backoff = Backoff(cap_seconds=30, uniform=lambda low, high: high)
    return BatchSender(api.url, "k", lambda _: None, sleep=waits.append, backoff=backoff)


ROW = Row(1, b'{"type":"identify","userId":"u"}')


def test_retry_after_is_honoured_and_else_waits_double(api: TrackingApi) -> None:
    waits: list[float] = []
    api.script = [(429, {"retry-after": "7"}), (500, {}), (502, {}), (408, {})]
    sender(api, waits).send([ROW])
    assert waits == [7, 1, 2, 4]


def test_a_busy_api_is_given_up_in_the_end(api: TrackingApi) -> None:
    waits: list[float] = []
    api.script = [(503, {})] * 100
    with pytest.raises(TransientError, match="503"):
        sender(api, waits).send([ROW])
    assert (len(waits), api.requests) == (11, 12)


def test_a_refusal_is_not_tried_again(api: TrackingApi) -> None:
    api.script = [(400, {})]
    with pytest.raises(PermanentError, match="answered 400: not now"):
        sender(api, []).send([ROW])
    assert api.requests == 1


def test_an_unreachable_api_is_tried_again(api: TrackingApi, free_port: Any) -> None:
    waits: list[float] = []
    away = BatchSender(f"http://127.0.0.1:{free_port()}", "k", lambda _: None, sleep=waits.append)
    with pytest.raises(TransientError, match="cannot be reached"):
        away.send([ROW])
    assert len(waits) == 11


def test_batches_stay_below_the_size_that_is_allowed() -> None:
    rows = [Row(line, b"x" * 30_000) for line in range(31)]
    assert [[row.line for row in batch] for batch in batches(rows)] == [
        list(range(15)),
        list(range(15, 30)),
        [30],
    ]
    assert BATCH_BYTES >= 15 * 30_000


def test_a_write_key_is_in_no_repr(api: TrackingApi) -> None:
    assert "hidden" not in repr(BatchSender(api.url, "hidden", lambda _: None))


def test_a_position_belongs_to_one_file_and_one_address(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    Position(file, "http://a").store(7)
    assert Position(file, "http://a").load() == 7
    assert Position(file, "http://b").load() == 0
    file.write_text("xy")
    assert Position(file, "http://a").load() == 0


def test_a_spoilt_position_file_means_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    Position(file, "u").path.write_text("[]")
    assert Position(file, "u").load() == 0
