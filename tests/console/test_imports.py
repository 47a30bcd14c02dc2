"""A file of people in the console and over the API: uploaded, looked at, confirmed, and in the event log."""

import gzip
import json
import os
import time
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from tests.pages import collapsed

from jetbridge.console.body_limits import UPLOADS
from jetbridge.control.models import Source, SourceKind
from jetbridge.control.people import ApiToken, AuditEntry, Role
from jetbridge.control.secret_field import digest
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import Entry, LogUnavailable
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.imports import changes, run, store
from jetbridge.imports.files.options import Options
from jetbridge.imports.models import Import, State
from jetbridge.spec.message import Message, decode

PEOPLE = "E-Mail;Name;PLZ;n\nzoe@example.com;Zoë;01067;1\nbob@;Bob;20095;2\nada@example.com;Ada;20095;3\n"
LATIN = PEOPLE.encode("cp1252")


@pytest.fixture
def source(people: Any) -> Source:
    return Source.objects.create(workspace=people.workspace, name="CRM", kind=SourceKind.HTTP)


@pytest.fixture
def editor(client_of: Any) -> Client:
    client: Client = client_of("editor")
    return client


def path_of(source: Source, row: Import | None = None, end: str = "") -> str:
    place = f"/w/{source.workspace_id}/sources/{source.id}/import"
    return place if row is None else f"{place}/{row.id}/{end}"


def upload(client: Client, source: Source, content: bytes = LATIN, name: str = "people.csv") -> Import:
    answer = client.post(path_of(source), {"file": SimpleUploadedFile(name, content)})
    assert answer.status_code == 302, answer.content
    row = Import.objects.latest("id")
    assert answer.headers["location"] == path_of(source, row)
    return row


def work(log: SqliteEventLog, stop: Event | None = None) -> None:
    """As the worker does what is to do."""
    for row in run.to_do():
        run.Job(row, log).run(stop or Event())


def sent(log: SqliteEventLog) -> list[Message]:
    return [decode(record.body) for record in log.read(0)]


def files() -> list[str]:
    return sorted(path.name for path in store.folder().iterdir())


def test_upload_preview_confirm(source: Source, editor: Client, event_log: SqliteEventLog) -> None:
    row = upload(editor, source)
    page = editor.get(path_of(source, row)).content.decode()
    assert "The file is being read. Nothing is sent yet." in collapsed(page)
    work(event_log)
    page = editor.get(path_of(source, row)).content.decode()
    for said in (
        "2 rows would be sent, 1 rejected",
        "CSV, cells separated by semicolon; Windows-1252 (Western Europe)",
        "The encoding is a guess.",
        "<code>PLZ</code>",
        "has an email that is no address: bob@",
        "Line 3",
        "Zoë",
    ):
        assert said in collapsed(page)
    assert sent(event_log) == []
    assert editor.post(path_of(source, row, "confirm")).status_code == 302
    work(event_log)
    row.refresh_from_db()
    assert (row.state, row.accepted, row.rejected) == (State.ENDED, 2, 1)
    assert [(message.anonymous_id, message.traits) for message in sent(event_log)] == [
        ("zoe@example.com", {"email": "zoe@example.com", "Name": "Zoë", "PLZ": "01067", "n": 1}),
        ("ada@example.com", {"email": "ada@example.com", "Name": "Ada", "PLZ": "20095", "n": 3}),
    ]
    assert {record.source for record in event_log.read(0)} == {source.id}
    page = editor.get(path_of(source, row)).content.decode()
    assert "2 rows were sent, 1 rejected." in collapsed(page)
    answer: Any = editor.get(path_of(source, row, "rejected"))
    assert answer.headers["content-disposition"] == 'attachment; filename="people.rejected.csv"'
    assert b"".join(answer.streaming_content).decode("utf-8-sig").splitlines() == [
        "jetbridge_reason;E-Mail;Name;PLZ;n",
        "line 3 has an email that is no address: bob@;bob@;Bob;20095;2",
    ]
    assert files() == [f"{row.id}.rejected"]
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == [
        "import.uploaded",
        "import.confirmed",
    ]


def test_what_was_detected_may_be_overruled(
    source: Source, editor: Client, event_log: SqliteEventLog
) -> None:
    row = upload(editor, source)
    work(event_log)
    answer = editor.post(path_of(source, row), {"encoding": "cp850", "text": ["n"]})
    assert answer.status_code == 302
    work(event_log)
    row.refresh_from_db()
    about = json.loads(row.about)
    assert (row.state, about["encoding"]) == (State.READY, "DOS 850 (Western Europe), as you say")
    assert about["calls"][0]["traits"]["n"] == "1"


def test_a_file_that_cannot_be_read_says_why_and_may_be_read_otherwise(
    source: Source, editor: Client, event_log: SqliteEventLog
) -> None:
    row = upload(editor, source, b"email,E-Mail,n\na@,b@example.com,1\n")
    work(event_log)
    page = editor.get(path_of(source, row)).content.decode()
    assert "Two columns say the email address: columns 1 (email) and 2 (E-Mail)." in page
    assert "Nothing was sent." in page
    editor.post(path_of(source, row), {"email_column": "E-Mail"})
    work(event_log)
    row.refresh_from_db()
    assert (row.state, row.accepted, row.problem) == (State.READY, 1, "")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 an Excel workbook"])
def test_what_is_no_table_is_told(
    source: Source, editor: Client, event_log: SqliteEventLog, content: bytes
) -> None:
    answer = editor.post(path_of(source), {"file": SimpleUploadedFile("people.xlsx", content)})
    work(event_log)
    page = editor.get(answer.headers["location"]).content if answer.status_code == 302 else answer.content
    assert b"Save the sheet as" in page or b"empty" in page
    assert editor.post(path_of(source)).status_code == 422


def test_a_packed_file(source: Source, editor: Client, event_log: SqliteEventLog) -> None:
    row = upload(editor, source, gzip.compress(LATIN), "C:\\Users\\me\\people.csv.gz")
    work(event_log)
    row.refresh_from_db()
    assert (row.name, row.accepted) == ("people.csv.gz", 2)


def test_a_worker_that_dies_goes_on_and_nothing_is_lost(
    source: Source, editor: Client, event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 10)
    row = upload(editor, source, b"userId,n\n" + b"".join(b"u%d,%d\n" % (n, n) for n in range(95)) + b"bad\n")
    work(event_log)
    changes.confirm(row)
    stop = Event()
    dying = _Dies(event_log, after=4, stop=stop)
    with pytest.raises(OSError, match="disk"):
        run.Job(Import.objects.get(id=row.id), dying).run(stop)  # type: ignore[arg-type]
    row.refresh_from_db()
    assert (row.state, row.accepted) == (State.RUNNING, 40)
    work(event_log)
    row.refresh_from_db()
    assert (row.state, row.accepted, row.rejected) == (State.ENDED, 95, 1)
    assert [message.user_id for message in sent(event_log)] == [f"u{n}" for n in range(95)]
    assert len({message.message_id for message in sent(event_log)}) == 95
    assert store.rejected_path(row.id).read_text("utf-8-sig").count("\n") == 2


def test_a_worker_that_dies_goes_on_within_a_line_of_an_array(
    source: Source, editor: Client, event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 10)
    items = [{"userId": f"u{n}", "n": n % 2} for n in range(95)]
    row = upload(editor, source, json.dumps([*items, {"n": 1}]).encode(), "people.json")
    work(event_log)
    changes.confirm(row)
    stop = Event()
    with pytest.raises(OSError, match="disk"):
        run.Job(Import.objects.get(id=row.id), _Dies(event_log, after=4, stop=stop)).run(stop)  # type: ignore[arg-type]
    work(event_log)
    row.refresh_from_db()
    assert (row.state, row.accepted, row.rejected) == (State.ENDED, 95, 1)
    assert [message.user_id for message in sent(event_log)] == [f"u{n}" for n in range(95)]
    page = editor.get(path_of(source, row)).content.decode()
    assert '<span class="note">Item 96</span>' in collapsed(page)


class _Dies:
    """A log whose disk fails after some batches; at first it is only busy."""

    def __init__(self, log: SqliteEventLog, *, after: int, stop: Event) -> None:
        self._log, self._left, self._was_busy = log, after, False

    def append(self, entries: list[Entry]) -> None:
        if not self._was_busy:
            self._was_busy = True
            error = LogUnavailable("locked")
            error.retry_after_seconds = 0
            raise error
        if not self._left:
            raise OSError(5, "the disk")
        self._left -= 1
        self._log.append(entries)


def test_a_file_that_is_all_wrong_fills_no_disk(
    source: Source, editor: Client, event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_REJECTED", 10)
    row = upload(editor, source, b"email,n\na@example.com,1\n" + b"no address,1\n" * 50)
    work(event_log)
    changes.confirm(row)
    work(event_log)
    assert store.rejected_path(row.id).read_text("utf-8-sig").count("\n") == 11
    page = editor.get(path_of(source, row)).content.decode()
    assert "1 row was sent, 50 rejected." in collapsed(page)
    assert "The file has the first 10 of them." in page


def test_a_cancelled_import_sends_no_more(source: Source, editor: Client, event_log: SqliteEventLog) -> None:
    row = upload(editor, source)
    work(event_log)
    editor.post(path_of(source, row, "confirm"))
    (job,) = run.to_do()
    editor.post(path_of(source, row, "cancel"))
    run.Job(job, event_log).run(Event())
    row.refresh_from_db()
    assert (row.state, row.problem, sent(event_log)) == (State.CANCELLED, "Cancelled.", [])
    assert files() in ([], [f"{row.id}.rejected"])
    assert editor.post(path_of(source, row, "confirm"), follow=True).status_code == 200
    row.refresh_from_db()
    assert row.state == State.CANCELLED


def test_a_disabled_source_takes_no_import(source: Source, editor: Client, event_log: SqliteEventLog) -> None:
    row = upload(editor, source)
    work(event_log)
    changes.confirm(row)
    Source.objects.update(enabled=False)
    work(event_log)
    row.refresh_from_db()
    assert (row.state, sent(event_log)) == (State.FAILED, [])
    assert "CRM is disabled" in row.problem


def test_uploads_are_for_the_owner_of_the_process_alone_and_are_bounded(
    source: Source, editor: Client, event_log: SqliteEventLog
) -> None:
    rows = [upload(editor, source) for _ in range(changes.MOST_OPEN)]
    assert {path.stat().st_mode & 0o077 for path in store.folder().iterdir()} == {0}
    assert store.folder().stat().st_mode & 0o077 == 0
    answer = editor.post(path_of(source), {"file": SimpleUploadedFile("people.csv", LATIN)})
    assert answer.status_code == 422
    assert b"5 imports of CRM are open" in answer.content
    changes.cancel(rows[0])
    upload(editor, source)
    assert len(files()) == changes.MOST_OPEN


def test_files_and_what_is_known_of_people_go_after_a_day(
    source: Source, editor: Client, event_log: SqliteEventLog
) -> None:
    ended, waiting, fresh = upload(editor, source), upload(editor, source), upload(editor, source)
    work(event_log)
    work(event_log)
    changes.confirm(ended)
    work(event_log)
    assert files() == [f"{ended.id}.rejected", f"{waiting.id}.upload", f"{fresh.id}.upload"]
    (store.folder() / "999.upload").write_bytes(b"of an import that is gone")
    long_ago = timezone.now() - timedelta(days=1, minutes=1)
    Import.objects.filter(id=ended.id).update(ended_at=long_ago)
    Import.objects.filter(id=waiting.id).update(created_at=long_ago)
    for path in store.folder().iterdir():
        os.utime(path, (time.time() - 90_000,) * 2)
    store.trim()
    assert files() == [f"{fresh.id}.upload"]
    for row in (ended, waiting):
        row.refresh_from_db()
    assert (ended.about, ended.state, ended.accepted) == ("", State.ENDED, 2)
    assert (waiting.state, waiting.problem) == (State.CANCELLED, "Nobody confirmed it within a day.")
    Import.objects.update(ended_at=timezone.now() - timedelta(days=31))
    store.trim()
    assert not Import.objects.exists()


def test_mailjets_events_are_no_source_for_people(people: Any) -> None:
    source = Source.objects.create(workspace=people.workspace, name="Events", kind=SourceKind.MAILJET)
    with pytest.raises(ConfigurationError, match="takes Mailjet events"):
        changes.upload(source, "people.csv", [LATIN], Options())


def test_both_ways_to_upload_have_the_bounds_of_uploads(source: Source) -> None:
    (upload,) = UPLOADS
    assert upload.path.fullmatch(path_of(source))
    assert upload.path.fullmatch(f"/api/v1/sources/{source.id}/imports")
    for other in (path_of(source, Import(id=1)), path_of(source, Import(id=1), "confirm")):
        assert not upload.path.fullmatch(other)


def test_an_upload_that_breaks_off_leaves_nothing(source: Source, editor: Client) -> None:
    def chunks() -> Any:
        yield b"email\n"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        changes.upload(source, "people.csv", chunks(), Options())
    assert (files(), Import.objects.count()) == ([], 0)


def test_viewers_see_nothing_of_it_and_no_tab(
    source: Source, editor: Client, client_of: Any, event_log: Any
) -> None:
    row = upload(editor, source)
    viewer, outsider = client_of("viewer"), client_of("outsider")
    for path in (path_of(source), path_of(source, row), path_of(source, row, "rejected")):
        assert (viewer.get(path).status_code, outsider.get(path).status_code) == (403, 404)
    overview = f"/w/{source.workspace_id}/sources/{source.id}/"
    assert b">Import</a>" not in viewer.get(overview).content
    assert b">Import</a>" in editor.get(overview).content


# ---- the API


@pytest.fixture
def call(people: Any) -> Any:
    ApiToken.objects.create(
        workspace=people.workspace,
        user=people.owner,
        name="t",
        role=Role.EDITOR,
        digest=digest("secret"),
        ending="t",
    )

    def of(method: str, path: str, body: Any = b"", **query: str) -> Any:
        return Client().generic(
            method,
            f"/api/v1/{path}",
            body,
            content_type="application/octet-stream",
            query_params=query,
            headers={"authorization": "Bearer secret"},
        )

    return of


def test_the_same_over_the_api(source: Source, call: Any, event_log: SqliteEventLog) -> None:
    path = f"sources/{source.id}/imports"
    answer = call("POST", path, LATIN, name="people.csv", delimiter=";")
    assert (answer.status_code, answer.json()["state"]) == (202, "reading")
    one = f"{path}/{answer.json()['id']}"
    work(event_log)
    made = call("GET", one).json()
    assert (made["state"], made["accepted"], made["rejected"]) == ("ready", 2, 1)
    assert made["about"]["columns"][2] == {
        "name": "PLZ", "goes_to": "PLZ", "type": "text", "filled": 3, "example": "01067"
    }  # fmt: skip
    assert call("POST", f"{one}/read", b'{"text": ["n"]}').json()["state"] == "reading"
    work(event_log)
    assert call("POST", f"{one}/confirm").json()["state"] == "running"
    work(event_log)
    assert call("GET", path).json()["items"][0]["state"] == "ended"
    assert [message.traits["n"] for message in sent(event_log) if message.traits] == ["1", "3"]
    rejected = call("GET", f"{one}/rejected")
    assert b"bob@" in b"".join(rejected.streaming_content)
    assert call("POST", f"{one}/cancel").status_code == 409
    assert call("POST", path, LATIN, name="x", encoding="klingon").status_code == 422
    assert call("POST", path, LATIN).status_code == 422
