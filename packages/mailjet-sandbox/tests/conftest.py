"""A sandbox on a free port, and two ways to talk to it: Mailjet's own client and bare HTTP."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
import urllib3
from mailjet_rest import Client

from mailjet_sandbox.server import running
from mailjet_sandbox.settings import Settings

QUICK = Settings(
    api_key="key",
    secret_key="secret",
    job_delay_seconds=0.0,
    event_retry_seconds=0.05,
    event_group_seconds=0.2,
    event_timeout_seconds=2.0,
)


class Box:
    """A running sandbox in the hands of a test."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.http = urllib3.PoolManager(
            headers=urllib3.make_headers(basic_auth=f"{settings.api_key}:{settings.secret_key}"),
            retries=False,
        )
        self.client = Client(auth=(settings.api_key, settings.secret_key), api_url=url)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        return self.http.request(method, self.url + path, body=data, headers={**self.http.headers, **headers})

    def get(self, path: str) -> Any:
        response = self.call("GET", f"/v3/REST/{path}")
        assert response.status == 200, response.data
        return response.json()["Data"]

    def post(self, path: str, body: Any, *, status: int = 201) -> Any:
        response = self.call("POST", f"/v3/REST/{path}", body)
        assert response.status == status, response.data
        return response.json()["Data"]

    def put(self, path: str, body: Any) -> int:
        return self.call("PUT", f"/v3/REST/{path}", body).status

    def delete(self, path: str) -> int:
        return self.call("DELETE", f"/v3/REST/{path}").status

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """Make a call that fails, and return status, message and info of the answer."""
        response = self.call(method, f"/v3/REST/{path}", body)
        answer = response.json()
        assert answer["StatusCode"] == response.status
        return response.status, answer["ErrorMessage"], answer["ErrorInfo"]

    def new_list(self, name: str = "Customers") -> int:
        return int(self.post("contactslist", {"Name": name})[0]["ID"])

    def define(self, **datatypes: str) -> None:
        for name, datatype in datatypes.items():
            self.post("contactmetadata", {"Name": name, "Datatype": datatype})

    def manage(
        self, list_id: int, email: str, action: str = "addnoforce", **properties: Any
    ) -> dict[str, Any]:
        body = {"Email": email, "Action": action, "Properties": properties}
        return dict(self.post(f"contactslist/{list_id}/managecontact", body)[0])

    def data_of(self, email: str) -> dict[str, Any]:
        return {row["Name"]: row["Value"] for row in self.get(f"contactdata/{email}")[0]["Data"]}

    def finished(self, path: str) -> dict[str, Any]:
        """Wait for a job to end."""
        return until(lambda: self._ended(path))

    def _ended(self, path: str) -> dict[str, Any] | None:
        job = dict(self.get(path)[0])
        return job if job["Status"] == "Completed" else None

    def campaign(self, list_id: int, **behaviour: Any) -> dict[str, Any]:
        response = self.call(
            "POST", "/sandbox/campaigns", {"list_id": list_id, "subject": "News", **behaviour}
        )
        assert response.status == 201, response.data
        return dict(response.json())

    def until(self, attempt: Callable[[], Any]) -> Any:
        return until(attempt)

    def close(self) -> None:
        self.http.clear()
        self.client.close()


def until(attempt: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Try until the attempt returns something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = attempt()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError("waited in vain")


@contextmanager
def opened(settings: Settings = QUICK) -> Iterator[Box]:
    with running(settings) as sandbox:
        box = Box(sandbox.url, settings)
        try:
            yield box
        finally:
            box.close()


@pytest.fixture
def box() -> Iterator[Box]:
    with opened() as box:
        yield box


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Box]:
    """One sandbox for all of a module's examples."""
    with opened() as box:
        yield box


class Receiver:
    """A callback URL: remembers what it got, and answers what it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, str, dict[str, str], Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.calls.append((time.monotonic(), self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/events"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def bodies(self) -> list[Any]:
        return [body for _, _, _, body in list(self.calls)]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in (body if isinstance(body, list) else [body])]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def new_receiver() -> Iterator[Callable[[], Receiver]]:
    receivers: list[Receiver] = []

    def new() -> Receiver:
        receivers.append(Receiver())
        return receivers[-1]

    yield new
    for receiver in receivers:
        receiver.close()


@pytest.fixture
def receiver(new_receiver: Callable[[], Receiver]) -> Receiver:
    return new_receiver()


@pytest.fixture
def open_box() -> Callable[..., Any]:
    """Open a sandbox with other settings: ``with open_box(rate_limit=1) as box``."""

    def open_with(**changes: Any) -> Any:
        return opened(msgspec.structs.replace(QUICK, **changes))

    return open_with
