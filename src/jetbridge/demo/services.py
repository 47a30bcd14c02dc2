"""What the demo asks of the sandbox and of Jetbridge over HTTP, beside playing the story."""

import json
from collections import Counter
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3
from prometheus_client.parser import text_string_to_metric_families
from urllib3.util import make_headers

from jetbridge.demo.trouble import DemoStopped

#: Mailjet's highest Limit, and the highest of the sandbox's own lists.
LIMIT = 1_000

_pool = urllib3.PoolManager(maxsize=4, retries=False, timeout=urllib3.Timeout(connect=10.0, read=30.0))


class Sandbox:
    """The Mailjet sandbox. Thread-safe."""

    def __init__(self, url: str, api_key: str, secret_key: str) -> None:
        self.url, self.api_key = url, api_key
        self._headers = make_headers(basic_auth=f"{api_key}:{secret_key}")
        self._own: Counter[str] = Counter()
        self._lock = Lock()

    def calls(self) -> Counter[str]:
        """Calls that Jetbridge made, by method and endpoint: all but the demo's own."""
        with self._lock:
            return Counter(_json("GET", f"{self.url}/sandbox/calls")["calls"]) - self._own

    def read(self, resource: str, key: object = "", **query: object) -> list[dict[str, Any]]:
        """The first thousand rows of a Mailjet resource, as Mailjet writes them; or the one of that key."""
        path = f"{resource}/{key}" if key else resource
        address = f"{self.url}/v3/REST/{path}?{urlencode({'Limit': LIMIT, **query})}"
        with self._lock:
            self._own[f"GET {resource}"] += 1
            rows: list[dict[str, Any]] = _json("GET", address, headers=self._headers)["Data"]
        return rows

    def property(self, email: str, name: str) -> Any:
        """A contact property; None without one."""
        (row,) = self.read("contactdata", email)
        return {pair["Name"]: pair["Value"] for pair in row["Data"]}.get(name)

    def send_campaign(self, **wish: object) -> dict[str, Any]:
        """Start a campaign; how many `messages` it has and how many `events` of each kind will follow."""
        return _json("POST", f"{self.url}/sandbox/campaigns", body=wish)

    def events(self) -> list[dict[str, Any]]:
        """The email events emitted so far (a thousand at the most), oldest first."""
        rows: list[dict[str, Any]] = _json("GET", f"{self.url}/sandbox/events?limit={LIMIT}")["events"]
        return rows


class SegmentCalls:
    """What the sandbox has received as Segment. `calls` grows with each `fetch`; read it from any thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._last = 0
        self._lock = Lock()
        self.calls: list[dict[str, Any]] = []

    def fetch(self) -> None:
        """Append the calls that are new. Raises DemoStopped if the sandbox does not respond."""
        with self._lock:
            while True:
                address = f"{self._url}/sandbox/segment?after={self._last}&limit={LIMIT}"
                rows = _json("GET", address)["calls"]
                if not rows:
                    return
                self._last = rows[-1]["number"]
                self.calls += [row["call"] for row in rows]


def metrics(jetbridge_url: str, token: str) -> dict[str, dict[tuple[str, ...], int]]:
    """Jetbridge's figures by metric, each by (kind of destination or source, outcome or record, reason)."""
    found: dict[str, dict[tuple[str, ...], int]] = {}
    headers = {"Authorization": f"Bearer {token}"}
    text = _request("GET", f"{jetbridge_url}/metrics", headers=headers).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            key = (labels.get("kind", ""), labels.get("outcome", ""), labels.get("reason", ""))
            row = found.setdefault(family.name, {})
            row[key] = row.get(key, 0) + int(sample.value)
    return found


def _json(method: str, address: str, *, headers: Any = None, body: object = None) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_request(method, address, headers=headers, body=body))
    return answer


def _request(method: str, address: str, *, headers: Any = None, body: object = None) -> bytes:
    encoded = None if body is None else msgspec.json.encode(body)
    try:
        answer = _pool.request(method, address, headers=headers, body=encoded)
    except urllib3.exceptions.HTTPError as error:
        raise DemoStopped(f"{address} does not answer ({type(error).__name__}).") from None
    if answer.status >= 300:
        raise DemoStopped(f"{method} {address} was answered {answer.status}: {answer.data[:200]!r}.")
    return answer.data
