"""The pages for a person: the account and its API calls at ``/``, Segment calls at ``/segment``. No scripts, read only."""

import time
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from mailjet_sandbox import clock
from mailjet_sandbox.jobs import error_text
from mailjet_sandbox.recorder import Received
from mailjet_sandbox.state import State

#: Rows of a table: a page stays small however large the account is.
ROWS = 50

_MAX_TEXT = 200

#: A page loads nothing and runs nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Excerpt:
    """The first rows of a table, and how many there are."""

    rows: list[Any]
    note: str


def excerpt(everything: Sized, rows: Iterable[Any]) -> Excerpt:
    total = len(everything)
    return Excerpt(list(islice(rows, ROWS)), f"{total:,}" if total <= ROWS else f"{ROWS} of {total:,}")


class Pages:
    def __init__(self, state: State) -> None:
        self._state = state
        environment = Environment(
            loader=PackageLoader("mailjet_sandbox"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            cut=cut,
            moment=lambda unix_seconds: clock.rfc3339(unix_seconds).replace("T", " ").removesuffix("Z"),
            thousands=lambda number: f"{number:,}",
            time=lambda unix_seconds: time.strftime("%H:%M:%S", time.gmtime(unix_seconds)),
            without_password=without_password,
        )
        self._account = environment.get_template("account.html")
        self._segment = environment.get_template("segment.html")

    def routes(self) -> list[Route]:
        return [Route("/", self.account), Route("/segment", self.segment)]

    async def account(self, _request: Request) -> HTMLResponse:
        state, store = self._state, self._state.store
        faults, calls = list(state.faults), state.calls.recent
        page = self._account.render(
            api_key=state.settings.api_key,
            counts={
                "contacts": len(store.contacts),
                "lists": sum(not row.deleted for row in store.lists.values()),
                "properties": len(store.properties),
                "jobs": len(store.jobs),
                "messages": len(store.messages),
                "events sent": state.callbacks.totals.total(),
                "API calls": state.calls.counts.total(),
            },
            faults=excerpt(faults, faults),
            lists=excerpt(store.lists, store.lists.values()),
            contacts=excerpt(store.contacts, reversed(store.contacts.values())),
            jobs=excerpt(store.jobs, reversed(store.jobs.values())),
            callbacks=excerpt(store.callbacks, store.callbacks.values()),
            campaigns=excerpt(store.campaigns, reversed(store.campaigns.values())),
            properties=excerpt(store.properties, store.properties.values()),
            calls=excerpt(calls, reversed(calls)),
            all_lists=store.lists,
            memberships_of=store.memberships_of,
            job_status=state.jobs.status,
            job_error=error_text,
        )
        return HTMLResponse(page, headers=_HEADERS)

    async def segment(self, request: Request) -> HTMLResponse:
        recorder = self._state.segment_calls
        page = self._segment.render(
            url=request.base_url,
            write_key=self._state.settings.segment_write_key,
            counts={
                "calls": recorder.counts.total(),
                **dict(recorder.counts.most_common()),
                "dropped": recorder.dropped.total(),
            },
            calls=excerpt(recorder.calls, map(SegmentRow, reversed(recorder.calls))),
        )
        return HTMLResponse(page, headers=_HEADERS)


class SegmentRow:
    """A row of the page of Segment calls. A call may hold anything in any field."""

    def __init__(self, received: Received) -> None:
        call = received.call
        self.received_at = received.received_at
        self.type, self.message_id = call.get("type", ""), call.get("messageId", "")
        self.name = call.get("event") or call.get("name") or ""
        self.user = call.get("userId") or call.get("anonymousId") or ""
        details = call.get("properties") or call.get("traits")
        self.details = details if isinstance(details, dict) else {}


def cut(value: object) -> str:
    """Shorten a text that would fill the page. Booleans are printed as in JSON."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def without_password(url: str) -> str:
    """Callback URLs carry secrets as ``user:password@``."""
    scheme, separator, rest = url.partition("://")
    userinfo, at, host = rest.partition("/")[0].rpartition("@")
    if not at:
        return url
    user = userinfo.partition(":")[0]
    return f"{scheme}{separator}{user}:•••@{host}{rest[len(userinfo) + 1 + len(host) :]}"
