"""`jetbridge send` against a Tracking API that the test scripts."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.cli.batch_sender import BATCH_BYTES, BatchSender, batches
from jetbridge.cli.send_position import Position
from jetbridge.control import home_lock
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PermanentError, TransientError
from jetbridge.imports.files.calls import Row
from jetbridge.imports.files.records import QUOTE_FAULT, Place

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
        self.refusal = b"not now"

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
        answer = b'{"success":true}' if status == 200 else self.server.refusal
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


@pytest.fixture
def one_row(tmp_path: Path) -> Path:
    path = tmp_path / "one.csv"
    path.write_text("userId\nu1\n")
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
    assert result.err == f"{people}: CSV, cells separated by comma, ASCII, which is UTF-8; 1,200 rows.\n"
    assert list(people.parent.glob("*.jetbridge-position*")) == []


def test_a_refused_batch_is_named_and_the_next_run_goes_on_from_there(
    jetbridge: "Jetbridge", api: TrackingApi, people: Path
) -> None:
    api.script = [(200, {}), (400, {})]
    first = send(jetbridge, api, people)
    assert (first.status, api.people) == (1, EVERYBODY[:500])
    assert first.err.splitlines()[-1] == (
        f"Error: {people} lines 502 to 1001 were not accepted. The Tracking API answered 400: not now. "
        "Run the same command again to go on from there."
    )
    second = send(jetbridge, api, people)
    assert (second.status, api.people) == (0, EVERYBODY)
    assert f"{people}: going on after line 501." in second.err


#: As Jetbridge, Segment, RudderStack and a proxy answer.
REFUSALS = (
    b'{"success":false,"code":"unknown_write_key","message":"This write key is not known here.","error":"Same."}',
    b'{"success":false,"message":"Same."}',
    b"Failed to read writeKey from header",
    b"<html><body><h1>401</h1></body></html>",
)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_write_key_is_told_in_a_sentence_with_a_remedy(
    jetbridge: "Jetbridge", api: TrackingApi, one_row: Path, refusal: bytes
) -> None:
    api.script, api.refusal = [(401, {})], refusal
    result = send(jetbridge, api, one_row)
    assert result.status == 1
    assert result.err.splitlines()[-1] == (
        f"Error: {one_row} line 2 was not accepted. {api.url} does not take the write key (401). Copy it from the source's "
        "page once more, and say which Tracking API it belongs to with --url. Then run the command again."
    )


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ((400, b'{"success":false,"message":"Batch too large."}'), "answered 400: Batch too large."),
        ((400, b'{"success":false,"error":"Invalid JSON"}'), "answered 400: Invalid JSON."),
        ((400, b'{"detail":[{"loc":["body"]}]}'), "answered 400."),
        ((413, b"<html>\n<h1>nginx</h1></html>"), "answered 413."),
        (
            (404, b"Not found"),
            "There is no Tracking API at {url} (404). Correct --url. Then run the command again.",
        ),
        ((302, b"<html>moved</html>"), "There is no Tracking API at {url} (302). Correct --url."),
    ],
)
def test_no_refusal_is_shown_as_json_or_as_a_page(
    jetbridge: "Jetbridge", api: TrackingApi, one_row: Path, refusal: tuple[int, bytes], sentence: str
) -> None:
    status, api.refusal = refusal
    api.script = [(status, {"content-type": "text/html" if b"<" in api.refusal else "x/y"})]
    last = send(jetbridge, api, one_row).err.splitlines()[-1]
    assert sentence.format(url=api.url) in last
    assert not {"{", "<"} & set(last)


def test_one_row_is_one_row(jetbridge: "Jetbridge", api: TrackingApi, one_row: Path) -> None:
    result = send(jetbridge, api, one_row)
    assert result.out == f"1 identify call was accepted by {api.url}.\n"
    assert "1 identify call would be sent." in jetbridge("send", str(one_row), "--dry-run").out


def test_without_an_address_it_goes_to_the_jetbridge_of_this_machine(
    jetbridge: "Jetbridge", api: TrackingApi, people: Path, home: Path
) -> None:
    """To the port of the configuration; to that of a running `serve --port`, whatever the configuration says."""
    more = ("send", str(people), "--write-key", "k")
    assert jetbridge(*more, env={"JETBRIDGE_PORT": str(api.server_port)}).status == 0
    listens = {"JETBRIDGE_HOST": "0.0.0.0", "JETBRIDGE_PORT": str(api.server_port)}
    with home_lock.take(home, "web", shared=True, environment=listens):
        assert jetbridge(*more, env={"JETBRIDGE_PORT": "1"}).out.endswith(f"{api.url}.\n")
    assert len(api.people) == 2 * len(EVERYBODY)


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


def test_wrong_rows_are_named_kept_and_the_others_arrive(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path
) -> None:
    path = tmp_path / "people.ndjson"
    path.write_text('{"userId": "u1"}\n{oops\n{"plan": "pro"}\n{"userId": "u2"}\n')
    result = send(jetbridge, api, path)
    assert (result.status, api.people) == (1, ["u1", "u2"])
    rejected = tmp_path / "people.rejected.ndjson"
    assert [line for line in result.err.splitlines() if str(path) in line] == [
        f"{path}: NDJSON, one object per line, ASCII, which is UTF-8; 4 rows.",
        f"{path} line 2 is no JSON (Input data was truncated).",
        f"{path} line 3 names nobody: it has neither an email address nor a userId.",
        f"Error: 2 rows of {path} cannot be sent; see {rejected}, with the reasons: correct them there and send that file.",
    ]
    first, second = map(json.loads, rejected.read_text().splitlines())
    assert first["jetbridge_line"] == "{oops"
    assert second == {
        "jetbridge_reason": "line 3 names nobody: it has neither an email address nor a userId",
        "plan": "pro",
    }


def test_rejected_rows_is_repairable_and_sent_again(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path
) -> None:
    path, rejected = tmp_path / "people.csv", tmp_path / "people.rejected.csv"
    path.write_bytes(
        'E-Mail;Name\nada@example.com;Ada\nzoë@;Zoë\nx;y;z\ncy@example.com;"Cy\n'.encode("cp1252")
    )
    assert send(jetbridge, api, path).status == 1
    assert rejected.read_bytes().decode("utf-8-sig").splitlines() == [
        "jetbridge_reason;E-Mail;Name",
        "line 3 has an email that is no address: zoë@;zoë@;Zoë",
        "line 4 has 3 cells, and the header 2;x;y;z",
        f'line 5 {QUOTE_FAULT};cy@example.com;"""Cy"',
    ]
    assert rejected.stat().st_mode & 0o077 == 0
    mended = (
        rejected.read_text("utf-8-sig")
        .replace(";zoë@;", ";zoe@example.com;")
        .replace("x;y;z", "x@example.com;y")
        .replace('"""Cy"', "Cy")
    )
    rejected.write_text(mended)
    again = send(jetbridge, api, rejected)
    assert (again.status, again.err.count("Error")) == (0, 0)
    assert [call["traits"] for batch in api.batches for call in batch] == [
        {"email": "ada@example.com", "Name": "Ada"},
        {"email": "zoe@example.com", "Name": "Zoë"},
        {"email": "x@example.com", "Name": "y"},
        {"email": "cy@example.com", "Name": "Cy"},
    ]


def test_a_run_that_goes_on_still_has_every_rejected_row(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    rows = [f"u{n},u{n}@example.com" for n in range(1_200)]
    rows[3] = rows[900] = "bad,bad@"
    path.write_text("userId,email\n" + "\n".join(rows) + "\n")
    api.script = [(200, {}), (401, {})]
    assert send(jetbridge, api, path).status == 1
    second = send(jetbridge, api, path)
    assert second.status == 1
    assert f"Error: 2 rows of {path} cannot be sent" in second.err
    assert len((tmp_path / "people.rejected.csv").read_text().splitlines()) == 3
    assert api.people == [person for person in EVERYBODY if person not in {"u3", "u900"}]


def test_a_run_that_reads_the_file_otherwise_does_not_go_on(
    jetbridge: "Jetbridge", api: TrackingApi, people: Path
) -> None:
    api.script = [(200, {}), (401, {})]
    assert send(jetbridge, api, people).status == 1
    api.batches.clear()
    assert send(jetbridge, api, people, "--text", "email").status == 0
    assert api.people == EVERYBODY


def test_where_nothing_can_be_written_nothing_is_sent(
    jetbridge: "Jetbridge", api: TrackingApi, people: Path, tmp_path: Path
) -> None:
    Position(people, "").path.with_name("people.csv.jetbridge-position.new").mkdir()
    result = send(jetbridge, api, people)
    assert (result.status, api.people) == (1, [])
    assert "people.csv.jetbridge-position.new cannot be written: Is a directory." in result.err
    bad = tmp_path / "bad.csv"
    bad.write_text("email\nbob@\n")
    result = send(jetbridge, api, bad, "--rejected", str(tmp_path / "nowhere" / "rejected.csv"))
    assert "rejected.csv cannot be written: No such file or directory." in result.err


#: All on one line, all in pretty print, several to a line.
ARRAYS = [(",", None), (",", 2), (",\n", None)]


@pytest.mark.parametrize(("separator", "indent"), ARRAYS)
def test_an_interrupted_array_goes_on_after_the_item_that_was_accepted(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path, separator: str, indent: int | None
) -> None:
    path = tmp_path / "people.json"
    people = [{"userId": f"u{n}", "email": "same@example.com"} for n in range(1_200)]
    path.write_text(json.dumps(people, indent=indent, separators=(separator, ":")))
    api.script = [(200, {}), (401, {})]
    first = send(jetbridge, api, path)
    assert (first.status, api.people) == (1, EVERYBODY[:500])
    assert f"{path} items 501 to 1000 were not accepted." in first.err
    second = send(jetbridge, api, path)
    assert (second.status, api.people) == (0, EVERYBODY)
    assert f"{path}: going on after item 500." in second.err


def test_rows_of_an_array_are_named_by_their_item(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path
) -> None:
    path = tmp_path / "people.json"
    path.write_text('[{"userId":"u"},{"plan":"pro"},\n{"userId":"v"},{"email":"a@"}]')
    result = send(jetbridge, api, path)
    assert f"{path} item 2 names nobody" in result.err
    assert f"{path} item 4 (line 2) has an email that is no address: a@." in result.err
    rejected = (tmp_path / "people.rejected.ndjson").read_text().splitlines()
    reasons = [json.loads(line)["jetbridge_reason"] for line in rejected]
    assert [reason[:15] for reason in reasons] == ["item 2 names no", "item 4 (line 2)"]
    dry = jetbridge("send", str(path), "--dry-run")
    assert "\n  item 2 names nobody" in dry.out
    faults = json.loads(jetbridge("send", str(path), "--dry-run", "--json").out)["faults"]
    assert [(fault["line"], fault["item"]) for fault in faults] == [(1, 2), (2, 4)]


def test_tabs_are_taken_at_their_word(jetbridge: "Jetbridge", api: TrackingApi) -> None:
    for more in (["--format", "tsv"], ["--delimiter", "tab"], []):
        assert send(jetbridge, api, "-", *more, stdin="userId\ta\nu1\tx, y; z\n").status == 0
    assert [call["traits"] for batch in api.batches for call in batch] == [{"a": "x, y; z"}] * 3


DRY = "userId;E-Mail;plz;unsubscribed;n\nu1;zoë@example.com;01067;x;1\nu2;bob@example.com;20095;;2\nu3;bob@;1;;3\n"


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv.gz"
    path.write_bytes(gzip.compress(DRY.encode("cp1252")))
    result = jetbridge("send", str(path), "--dry-run", "--url", api.url)
    assert (result.status, api.requests, list(tmp_path.iterdir())) == (1, 0, [path])
    for said in (
        "CSV, cells separated by semicolon, Windows-1252 (Western Europe), packed with gzip; 3 rows.",
        "The encoding is a guess. If this reads wrong, say it with --encoding: u1;zoë@example.com;01067;x;1",
        '"traits": {"email": "zoë@example.com", "plz": "01067", "unsubscribed": "x", "n": 1}',
        "1 row would be rejected:\n  line 4 has an email that is no address: bob@",
        "1 row would be sent with a warning:\n  line 2 says x as unsubscribed, which is neither yes nor no",
        "2 identify calls would be sent. Nothing was.",
    ):
        assert said in result.out
    columns = {
        line.split()[0]: line.split()[1:]
        for line in result.out.splitlines()
        if line.startswith(" ") and line.split()
    }
    assert columns["plz"] == ["plz", "text", "3", "01067"]
    assert columns["n"] == ["n", "number", "3", "1"]
    assert columns["E-Mail"] == ["email", "text", "3", "zoë@example.com"]


def test_a_dry_run_as_json(jetbridge: "Jetbridge", tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email,n\na@example.com,1\n")
    about = jetbridge("send", str(path), "--dry-run", "--json").json
    assert (about["rows"], about["accepted"], about["rejected"]) == (1, 1, 0)
    assert about["columns"][1] == {"name": "n", "goes_to": "n", "type": "number", "filled": 1, "example": "1"}


def test_what_strangers_wrote_into_a_file_does_not_control_the_terminal(
    jetbridge: "Jetbridge", api: TrackingApi, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email,a\x1b[2J\n\x1b[31mred@,\x1b]0;x\x07\nada@example.com,\x9b31m\n")
    dry = jetbridge("send", str(path), "--dry-run")
    sent = send(jetbridge, api, path)
    assert not [char for char in dry.out + dry.err + sent.out + sent.err if ord(char) < 32 and char != "\n"]
    assert "\x9b" not in dry.out + sent.err


def test_stdin_is_a_file_too(jetbridge: "Jetbridge", api: TrackingApi) -> None:
    assert send(jetbridge, api, "-", stdin='{"userId": "u1", "a": 1}\n').status == 0
    assert send(jetbridge, api, "-", "--format", "csv", stdin="userId,a\nu2,1\n").status == 0
    assert api.people == ["u1", "u2"]


def sender(api: TrackingApi, waits: list[float]) -> BatchSender:
    backoff = Backoff(cap_seconds=30, uniform=lambda low, high: high)
    return BatchSender(api.url, "k", lambda _: None, sleep=waits.append, backoff=backoff)


ROW = Row(Place(1), b'{"type":"identify","userId":"u"}')


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
    rows = [Row(Place(line), b"x" * 30_000) for line in range(31)]
    assert [[row.place.line for row in batch] for batch in batches(rows)] == [
        list(range(15)),
        list(range(15, 30)),
        [30],
    ]
    assert BATCH_BYTES >= 15 * 30_000


def test_a_write_key_is_in_no_repr(api: TrackingApi) -> None:
    assert "hidden" not in repr(BatchSender(api.url, "hidden", lambda _: None))


def test_a_position_belongs_to_one_way_of_sending_one_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    Position(file, "these bytes to a").store(7)
    assert Position(file, "these bytes to a").load() == 7
    assert Position(file, "other bytes to a").load() == 0


def test_a_spoilt_position_file_means_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    Position(file, "u").path.write_text("[]")
    assert Position(file, "u").load() == 0
