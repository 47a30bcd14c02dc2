"""What the demo asks of the sandbox and of Jetbridge over HTTP, beside what the shop sends."""

import json
from collections import Counter
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3
from prometheus_client.parser import text_string_to_metric_families
from urllib3.util import make_headers

from jetbridge.demo.checks import Observed
from jetbridge.demo.processes import DemoStopped

#: Mailjet's highest Limit, and the highest of the sandbox's own lists.
LIMIT = 1_000

_pool = urllib3.PoolManager(maxsize=4, retries=False, timeout=urllib3.Timeout(connect=10.0, read=30.0))


class Sandbox:
    """The Mailjet sandbox, which also records what is sent to Segment. Thread-safe."""

    def __init__(self, url: str, api_key: str, secret_key: str) -> None:
        self.url = url
        self._headers = make_headers(basic_auth=f"{api_key}:{secret_key}")
        self._own, self._lock = Counter[str](), Lock()
        self._tracks: list[dict[str, Any]] = []
        self._last_track = 0

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

    def send_campaign(self, **options: object) -> dict[str, Any]:
        """Start a campaign; how many `messages` it has and how many `events` of each kind will follow."""
        return _json("POST", f"{self.url}/sandbox/campaigns", body=options)

    def events(self) -> list[dict[str, Any]]:
        """The email events sent so far (a thousand at the most), oldest first."""
        rows = _json("GET", f"{self.url}/sandbox/events?limit={LIMIT}")["events"]
        return [row["event"] for row in rows]

    def tracks(self) -> list[dict[str, Any]]:
        """The track calls that Segment has received so far, oldest first."""
        with self._lock:
            while rows := _json("GET", f"{self.url}/sandbox/segment?after={self._last_track}&limit={LIMIT}")[
                "calls"
            ]:
                self._tracks += [row["call"] for row in rows]
                self._last_track = rows[-1]["number"]
            return list(self._tracks)

    def observe(self, observed: Observed, list_id: int) -> None:
        """Read all contacts and the list from Mailjet's API, the email events and the track calls from the sandbox."""
        emails = {row["ID"]: row["Email"] for row in self.read("contact")}
        observed.properties = {
            emails[row["ContactID"]]: {pair["Name"]: pair["Value"] for pair in row["Data"]}
            for row in self.read("contactdata")
        }
        observed.subscribed = {
            emails[row["ContactID"]]: not row["IsUnsubscribed"]
            for row in self.read("listrecipient", ContactsList=list_id)
            if row["IsActive"] or row["IsUnsubscribed"]
        }
        observed.events, observed.tracks = self.events(), self.tracks()


def read_metrics(jetbridge_url: str, token: str) -> dict[str, dict[tuple[str, ...], int]]:
    """Jetbridge's figures by metric, each by (kind of destination or source, outcome or record, reason)."""
    metrics: dict[str, dict[tuple[str, ...], int]] = {}
    text = request(
        "GET", f"{jetbridge_url}/metrics", headers={"Authorization": f"Bearer {token}"}
    ).data.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = tuple(sample.labels.get(label, "") for label in ("kind", "outcome", "reason"))
            row = metrics.setdefault(family.name, {})
            row[key] = row.get(key, 0) + int(sample.value)
    return metrics


def request(method: str, address: str, **options: Any) -> urllib3.BaseHTTPResponse:
    """A response of success, or a redirect. Raises DemoStopped."""
    try:
        response = _pool.request(method, address, redirect=False, **options)
    except urllib3.exceptions.HTTPError as error:
        raise DemoStopped(f"{address} does not respond ({type(error).__name__}).") from None
    if response.status >= 400:
        raise DemoStopped(f"{method} {address}: status {response.status}, {response.data[:200]!r}.")
    return response


def _json(method: str, address: str, *, headers: Any = None, body: object = None) -> dict[str, Any]:
    encoded = None if body is None else msgspec.json.encode(body)
    parsed: dict[str, Any] = json.loads(request(method, address, headers=headers, body=encoded).data)
    return parsed
