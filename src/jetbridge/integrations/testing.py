"""The contract that every destination keeps, as tests to subclass.

`HTTPContract` is for one that sends its messages by HTTP while it delivers, `StatusContract` for one that sends them by HTTP
later, `DestinationContract` for any other.

    class TestMine(HTTPContract):
        destination = MINE

        @pytest.fixture
        def settings(self, service: StubService) -> dict[str, Any]:
            return {"url": service.url, "token": "s3cret-token"}

The suite needs a fixture `home` (a migrated, empty state database), as `tests/conftest.py` has it. Values of secret settings
must be long enough to be found in a log by chance only.
"""

import base64
import gzip
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal, NamedTuple
from xml.etree import ElementTree as ET

import pytest
from django.urls import reverse

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.base import DeliveryCounts, DeliveryItem, Sink
from jetbridge.errors import DeliveryError, PauseError, TransientError
from jetbridge.http.client import EXCERPT_CHARACTERS
from jetbridge.integrations import reasons
from jetbridge.integrations.base import Destination, Link, PauseReason, Reason
from jetbridge.integrations.setting import MASK, Boolean, Choice, Integer, Object, Secret, Text, is_empty
from jetbridge.spec.message import CALL_TYPES, Message

#: What happens next with what was sent: it is done, tried again, fails alone, or the destination is paused.
NextStep = Literal["delivered", "retry", "fail", "pause"]

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
#: A message that names this is refused by the stub.
POISON = "poison-4711"


# ---- the other side


class Response(NamedTuple):
    status: int
    body: bytes = b""
    content_type: str = "application/json"


class Request(NamedTuple):
    """`body` is decompressed; `headers` have names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class StubService:
    """A web server that plays the other side: `response` to everything, or 400 to what `refuses` says."""

    url: str = ""
    response: Response = Response(200)  # noqa: RUF009 - immutable
    headers: Mapping[str, str] = field(default_factory=dict)
    refuses: Callable[[Request], bool] = lambda _: False
    #: Answer with what was sent, as careless services do.
    echoes: bool = False
    requests: list[Request] = field(default_factory=list)

    def respond(self, request: Request) -> Response:
        self.requests.append(request)
        response = Response(400, b"{}") if self.refuses(request) else self.response
        if self.echoes:
            echo = json.dumps([dict(request.headers), request.body.decode("utf-8", "replace")])
            response = response._replace(body=echo.encode())
        return response


@contextmanager
def serving(service: StubService) -> Iterator[StubService]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = service.respond(Request(self.command, self.path, headers, body))
            content = b"" if response.status in {204, 304} else response.body
            self.send_response(response.status)
            for name, value in {
                "Content-Type": response.content_type,
                "Content-Length": str(len(content)),
                **service.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815 - the standard library's names

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---- our side


class RecordedProgress:
    """`delivery.base.Progress` that keeps the tallies of what was committed."""

    def __init__(self) -> None:
        self.tallies: list[DeliveryCounts] = []

    @contextmanager
    def commit(self) -> Iterator[DeliveryCounts]:
        counts = DeliveryCounts()
        yield counts
        self.tallies.append(counts)

    @property
    def counts(self) -> DeliveryCounts:
        (counts,) = self.tallies
        return counts


@dataclass(frozen=True)
class Attempt:
    """What became of one message that was sent; `error` is why not."""

    step: NextStep
    error: DeliveryError | None = None
    counts: DeliveryCounts | None = None


def ref_of(
    destination: Destination, values: Mapping[str, Any], *, id_: int = 1, workspace: int = 1
) -> DestinationRef:
    """A destination with these settings, as it would be stored."""
    parsed = destination.parsed(values)
    secret = {setting.name for setting in destination.settings if setting.is_secret}
    return DestinationRef(
        id=id_,
        workspace=workspace,
        kind=destination.kind,
        name=destination.title,
        source_kinds={1: "http"},
        settings={name: value for name, value in parsed.items() if name not in secret},
        secrets={name: value for name, value in parsed.items() if name in secret},
    )


def step_of(error: DeliveryError) -> NextStep:
    if isinstance(error, TransientError):
        return "retry"
    return "pause" if isinstance(error, PauseError) else "fail"


def secrets_of(ref: DestinationRef) -> set[str]:
    """Every secret text of a destination, and how Basic authentication would carry it."""
    values = [value for stored in ref.secrets.values() for value in _texts(stored)]
    forms = {base64.b64encode(form.encode()).decode() for value in values for form in (value, f"{value}:")}
    return {*values, *forms}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    return [str(value)]


# ---- the contract


@pytest.mark.usefixtures("home")
class DestinationContract:
    destination: ClassVar[Destination]

    @pytest.fixture
    def settings(self, service: StubService) -> dict[str, Any]:
        """Values with which it delivers to `service`."""
        raise NotImplementedError

    @pytest.fixture
    def service(self) -> Iterator[StubService]:
        with serving(StubService(response=self.success)) as service:
            yield service

    #: The response by which the other side takes everything.
    success: ClassVar[Response] = Response(200)

    @pytest.fixture
    def ref(self, settings: dict[str, Any]) -> DestinationRef:
        return ref_of(self.destination, settings)

    def message(self, number: int, text: str = "") -> Message:
        """One that the destination accepts; `text` is somewhere in it."""
        kind = next(kind for kind in ("identify", "track", *CALL_TYPES) if kind in self.destination.accepts)
        values = {"email": f"u{number}@example.com", "note": text}
        return Message(
            type=kind,
            message_id=f"m{number}",
            timestamp=AT,
            received_at=AT,
            user_id=f"u{number}",
            event="Order Completed" if kind == "track" else None,
            traits=values if kind != "track" else None,
            properties=values if kind == "track" else None,
        )

    def open(self, ref: DestinationRef) -> Sink:
        return self.destination.open(ref)

    def secrets(self, ref: DestinationRef) -> set[str]:
        """What must be seen nowhere."""
        return secrets_of(ref)

    # ---- what it says of itself

    def test_it_describes_itself(self) -> None:
        destination = self.destination
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,19}", destination.kind)
        assert destination.title
        assert destination.names
        assert all(destination.names)
        assert destination.description.endswith(".")
        assert destination.accepts
        assert destination.accepts <= set(CALL_TYPES)

    def test_its_icon_is_a_picture_and_nothing_else(self) -> None:
        if icon := self.destination.icon():
            tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(icon).iter()}  # noqa: S314 - our own file
            assert tags <= {"svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}

    def test_every_reason_has_its_help_and_link(self, ref: DestinationRef) -> None:
        destination = self.destination
        for codes in (
            [row.code for row in destination.reasons],
            [row.code for row in destination.pause_reasons],
        ):
            assert len(set(codes)) == len(codes)
            assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", code) for code in codes)
        rows: list[Reason | PauseReason] = [*destination.reasons, *destination.pause_reasons]
        for row in rows:
            assert row.help.endswith(".")
            assert row.link is None or self._leads_somewhere(row.link, ref)
        for pause in destination.pause_reasons:
            assert pause.title
            assert pause.resume
            assert not pause.title.endswith(".")

    def _leads_somewhere(self, link: Link, ref: DestinationRef) -> bool:
        return link.url(ref.workspace, ref.id).startswith("/w/")

    def test_its_tabs_and_tasks_are_there(self, ref: DestinationRef) -> None:
        for tab in self.destination.tabs:
            assert reverse(tab.url_name, args=[ref.workspace, ref.id])
        kinds = [task.kind for task in self.destination.task_types]
        assert len(set(kinds)) == len(kinds)
        assert "count" not in kinds  # every destination's
        assert all(task.title and task.help.endswith(".") for task in self.destination.task_types)

    # ---- settings

    def test_settings_are_named_once_and_explained(self) -> None:
        rows = self.destination.settings
        assert len({row.name for row in rows}) == len({row.label for row in rows}) == len(rows)
        assert {row.type for row in rows} <= {"text", "integer", "boolean", "choice", "secret", "object"}
        assert all(row.help.endswith((".", ")")) for row in rows)

    def test_defaults_are_accepted(self) -> None:
        for row in self.destination.settings:
            assert is_empty(row.default) or (row.problem(row.default), row.parse(row.default)) == (
                "",
                row.default,
            )

    def test_these_settings_are_accepted_typed_and_as_texts(self, settings: dict[str, Any]) -> None:
        destination = self.destination
        assert destination.problems(settings) == {}
        parsed = destination.parsed(settings)
        texts = {row.name: row.text(parsed[row.name]) for row in destination.settings if row.name in parsed}
        assert (destination.problems(texts), destination.parsed(texts)) == ({}, parsed)

    def test_the_schema_describes_them(self, settings: dict[str, Any]) -> None:
        schema = json.loads(json.dumps(self.destination.settings_schema()))
        types = {"string": str, "integer": int, "boolean": bool, "object": dict}
        for name, value in self.destination.parsed(settings).items():
            assert isinstance(value, types[schema["properties"][name]["type"]])
        assert set(schema["required"]) <= settings.keys()

    def test_what_is_missing_is_named(self, settings: dict[str, Any]) -> None:
        for row in self.destination.settings:
            problems = self.destination.problems({**settings, row.name: ""})
            needed = row.required and is_empty(row.default)
            assert (row.name in problems) is needed

    def test_what_does_not_exist_is_named(self, settings: dict[str, Any]) -> None:
        problems = self.destination.problems({**settings, "no-such-setting": "1"})
        assert problems.keys() == {"no-such-setting"}

    def test_values_of_the_wrong_type_are_rejected_with_a_message(self, settings: dict[str, Any]) -> None:
        for row in self.destination.settings:
            wrong: list[Any] = [["a list"]]
            wrong += [{"an": "object"}] if not isinstance(row, Object) else ["no object", 7, "[1]"]
            wrong += ["none of them"] if isinstance(row, Choice | Boolean | Integer) else []
            wrong += [row.maximum + 1, row.minimum - 1, "1e3", True] if isinstance(row, Integer) else []
            for value in wrong:
                problem = self.destination.problems({**settings, row.name: value}).get(row.name, "")
                assert problem.endswith("."), (row.name, value)

    def test_of_secrets_nothing_is_shown_and_a_mask_means_what_is_stored(self, ref: DestinationRef) -> None:
        rows = [row for row in self.destination.settings if row.is_secret]
        assert all(isinstance(row, Secret | Object) for row in rows)
        for row in rows:
            if stored := ref.secrets.get(row.name):
                shown = row.shown(stored)
                assert shown != stored
                assert MASK in str(shown) or isinstance(row, Secret)
                assert row.restored(shown, stored) == row.restored(row.text(shown), stored) == stored
        assert not any(secret in repr(ref) for secret in self.secrets(ref))

    def test_texts_lose_what_comes_along_when_they_are_pasted(self) -> None:
        for row in self.destination.settings:
            if isinstance(row, Text | Secret) and not getattr(row, "multiline", False):
                assert row.parse("\ufeff value\u00a0\n") == "value"

    # ---- delivering

    def test_nothing_to_deliver_ends_the_batch_and_calls_nobody(
        self, ref: DestinationRef, service: StubService
    ) -> None:
        progress = RecordedProgress()
        sink = self.open(ref)
        sink.deliver([], progress)
        sink.close()
        assert progress.counts == DeliveryCounts()
        assert service.requests == []

    def test_every_item_has_one_outcome(self, ref: DestinationRef) -> None:
        """`total` messages may stand behind one item. What is taken and not settled is held."""
        progress = RecordedProgress()
        items = [DeliveryItem(number, self.message(number), total=number) for number in (1, 2, 3)]
        sink = self.open(ref)
        sink.deliver(items, progress)
        sink.close()
        counts = progress.counts
        assert (
            counts.delivered + counts.in_flight + counts.failed.total() + counts.filtered.total() == 1 + 2 + 3
        )
        assert counts.failed.total() == 0

    def test_a_preview_sends_nothing_and_shows_no_secret(
        self, ref: DestinationRef, service: StubService
    ) -> None:
        preview = self.destination.preview(ref, self.message(1))
        assert not any(secret in repr(preview) for secret in self.secrets(ref))
        assert not any(request.method != "GET" for request in service.requests)

    def test_a_test_call_shows_what_delivery_would_make_of_the_response(
        self, ref: DestinationRef, service: StubService
    ) -> None:
        if not self.destination.has_test_call:
            pytest.skip("it has no test call")
        service.echoes = True
        for status, outcomes in (
            (self.success.status, {"delivered", "retried"}),  # an echo may be no success
            (400, {"failed"}),
            (401, {"paused"}),
            (503, {"retried"}),
        ):
            service.response = self.success._replace(status=status)
            service.requests.clear()
            tried = self.destination.test_call(ref, self.message(1))
            assert len(service.requests) == 1
            assert (tried.status, tried.outcome in outcomes) == (status, True), tried
            assert bool(tried.message) is (tried.outcome != "delivered")
            assert tried.seconds > 0
            assert "u1" in tried.request + tried.body
            assert len(tried.body) <= EXCERPT_CHARACTERS
            assert not [secret for secret in self.secrets(ref) if secret in repr(tried)]

    def test_only_what_it_accepts_is_routed_to_it(self, ref: DestinationRef) -> None:
        route = self.destination.route(ref)
        assert (route.accepts, route.names) == (self.destination.accepts, self.destination.names)
        assert route.decide(self.message(1), 1).reason is None

    # ---- errors have an advice of their own

    def test_refused_credentials_have_an_advice_of_this_kind(self, ref: DestinationRef) -> None:
        if not any(row.is_secret for row in self.destination.settings):
            pytest.skip("it has no credentials")
        own = self.destination.pause_reason(ref, "INVALID_AUTHENTICATION", "refused")
        assert own == reasons.pause_reason(self.destination, ref, "INVALID_AUTHENTICATION", "refused")

    def test_a_wrong_setting_leads_to_where_it_is_changed(self, ref: DestinationRef) -> None:
        for row in self.destination.settings:
            pause = reasons.pause_reason(
                self.destination, ref, "INVALID_SETTINGS", f"{row.label}: it is wrong."
            )
            assert pause.link.name == (row.tab or "destination-settings")
            assert self._leads_somewhere(pause.link, ref)


class StatusContract(DestinationContract):
    """Of a destination that speaks HTTP: what follows from each status. `attempt` says how it sends one message."""

    def next_step(self, status: int) -> NextStep:
        """What each status means for one message. Override for what the other side documents otherwise."""
        if status in {408, 425, 429} or status >= 500:
            return "retry"
        if status in {400, 413, 422}:
            return "fail"
        return "delivered" if status < 300 else "pause"

    def attempt(self, ref: DestinationRef) -> Attempt:
        """Send one message."""
        raise NotImplementedError

    def test_every_status_is_delivered_retried_failed_or_paused(
        self, ref: DestinationRef, service: StubService
    ) -> None:
        for status in range(200, 600):
            service.response = self.success._replace(status=status)
            attempt = self.attempt(ref)
            assert (status, attempt.step) == (status, self.next_step(status))
            if attempt.error:
                assert re.fullmatch(r"[A-Z][A-Z0-9_]*", attempt.error.code)
                assert attempt.error.status == status
                assert str(status) in str(attempt.error)

    def test_refused_credentials_pause_it_and_busy_services_are_tried_again(self) -> None:
        """So for every kind, whatever its table says of other statuses."""
        assert {self.next_step(status) for status in (401, 403)} == {"pause"}
        assert {self.next_step(status) for status in (408, 429, 500, 502, 503, 504)} == {"retry"}

    def test_every_pause_by_a_status_has_its_fix(self, ref: DestinationRef, service: StubService) -> None:
        for status in (status for status in range(300, 600) if self.next_step(status) == "pause"):
            service.response = self.success._replace(status=status)
            error = self.attempt(ref).error
            assert error
            pause = reasons.pause_reason(self.destination, ref, error.code, str(error))
            assert pause.code == error.code
            assert pause.title != "it cannot go on", f"{error.code} has no pause reason"

    def test_every_failure_has_its_fix(self, ref: DestinationRef, service: StubService) -> None:
        for status in (status for status in range(300, 600) if self.next_step(status) == "fail"):
            service.response = self.success._replace(status=status)
            attempt = self.attempt(ref)
            codes = (
                [attempt.error.code]
                if attempt.error
                else list(attempt.counts.failed if attempt.counts else ())
            )
            known = {row.code for row in self.destination.reasons} | reasons.REASONS.keys()
            assert codes
            assert set(codes) <= known, f"{codes} has no reason"

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize("is_date", [False, True])
    def test_retry_after_is_honoured_in_both_of_its_forms(
        self, ref: DestinationRef, service: StubService, *, status: int, is_date: bool
    ) -> None:
        service.response = self.success._replace(status=status)
        at = datetime.now(UTC) + timedelta(seconds=90)
        service.headers = {"Retry-After": format_datetime(at, usegmt=True) if is_date else "90"}
        error = self.attempt(ref).error
        assert isinstance(error, TransientError)
        assert 80 < (error.retry_after_seconds or 0) <= 90

    def test_a_service_that_is_not_there_is_tried_again(
        self, ref: DestinationRef, service: StubService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody listens at the address any more."""

        def gone(*_: object) -> None:
            raise ConnectionRefusedError("nobody listens")

        monkeypatch.setattr("socket.socket.connect", gone)
        attempt = self.attempt(ref)
        assert attempt.step == "retry"
        assert not service.requests

    @pytest.mark.parametrize("status", [200, 202, 302, 400, 401, 404, 422, 429, 500])
    def test_no_secret_is_in_any_log_error_failure_or_repr(
        self, ref: DestinationRef, service: StubService, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        """Not even when the other side answers with what it was sent."""
        caplog.set_level(logging.DEBUG)
        service.response, service.echoes = self.success._replace(status=status), True
        attempt = self.attempt(ref)
        error = attempt.error
        seen = [caplog.text, repr(self.open(ref)), repr(ref), repr(attempt.counts), repr(error), str(error)]
        seen += [error.response] if error else []
        assert not [secret for secret in self.secrets(ref) for text in seen if secret in text]
        assert service.requests


class HTTPContract(StatusContract):
    """Of a destination that sends its messages while it delivers."""

    def attempt(self, ref: DestinationRef) -> Attempt:
        """Send one message."""
        progress, sink = RecordedProgress(), self.open(ref)
        try:
            sink.deliver([DeliveryItem(1, self.message(1))], progress)
        except DeliveryError as error:
            assert progress.tallies == [], "what is not done must not be committed"
            return Attempt(step_of(error), error)
        finally:
            sink.close()
        counts = progress.counts
        return Attempt("delivered" if counts.delivered else "fail", counts=counts)

    def test_one_refused_item_fails_alone(self, ref: DestinationRef, service: StubService) -> None:
        service.refuses = lambda request: POISON.encode() in request.body
        progress, sink = RecordedProgress(), self.open(ref)
        texts = ["", POISON, "", ""]
        items = [
            DeliveryItem(number, self.message(number, text)) for number, text in enumerate(texts, start=1)
        ]
        sink.deliver(items, progress)
        sink.close()
        counts = progress.counts
        assert (counts.delivered, counts.failed.total()) == (3, 1)
        (failed,) = counts.delivery_records
        assert (failed.position, failed.message_id, failed.outcome) == (2, "m2", "failed")
        assert failed.detail
