"""The page at ``/``: the account and the latest API calls. No scripts, read only."""

import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from itertools import islice

from starlette.requests import Request
from starlette.responses import HTMLResponse

from mailjet_sandbox import clock
from mailjet_sandbox.jobs import error_text
from mailjet_sandbox.model import Contact, Job
from mailjet_sandbox.state import State

#: Rows of each table; the page stays small however large the account.
ROWS = 50

_MAX_TEXT = 200
_REFRESH_SECONDS = 10

#: The page may load nothing and run nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
}

#: A cell that is HTML already.
Cell = str


class Page:
    def __init__(self, state: State) -> None:
        self._state = state
        self._style = resources.files(__package__).joinpath("page.css").read_text()

    async def handle(self, _request: Request) -> HTMLResponse:
        return HTMLResponse(self.render(), headers=_HEADERS)

    def render(self) -> str:
        key = escape(self._state.settings.api_key)
        tables = f"{self._figures()}{self._faults()}{self._lists()}{self._contacts()}{self._jobs()}{self._callbacks()}"
        more = f"{self._campaigns()}{self._properties()}{self._calls()}"
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mailjet sandbox</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="refresh" content="{_REFRESH_SECONDS}"><style>{self._style}</style></head><body>'
            f"<header><h1>Mailjet sandbox</h1><p>Answers to API key {key}. Nothing here reaches Mailjet.</p></header>"
            f"<main>{tables}{more}</main></body></html>"
        )

    def _figures(self) -> str:
        store, events = self._state.store, self._state.callbacks.totals
        figures = {
            "contacts": len(store.contacts),
            "lists": sum(not row.deleted for row in store.lists.values()),
            "properties": len(store.properties),
            "jobs": len(store.jobs),
            "messages": len(store.messages),
            "events sent out": events.total(),
            "API calls": self._state.calls.counts.total(),
        }
        cells = (f"<div><b>{number:,}</b><span>{name}</span></div>" for name, number in figures.items())
        return f'<div class="figures">{"".join(cells)}</div>'

    def _faults(self) -> str:
        faults = [one.describe() for one in self._state.faults]
        rows = (
            [
                number(row.pop("id")),
                row.pop("kind"),
                row.pop("state"),
                number(row.pop("triggered")),
                pairs(row),
            ]
            for row in faults
        )
        return table("Faults", len(faults), ["ID", "Kind", "State", "Triggered", "How"], rows)

    def _lists(self) -> str:
        lists = self._state.store.lists
        rows = (
            [
                number(row.id),
                text(row.name),
                number(row.subscribers),
                "deleted" if row.deleted else "",
                row.address,
            ]
            for row in lists.values()
        )
        return table("Lists", len(lists), ["ID", "Name", "Subscribers", "", "Address"], rows)

    def _contacts(self) -> str:
        """Show the youngest first."""
        contacts = self._state.store.contacts
        rows = (
            [number(row.id), text(row.email), text(row.name), pairs(row.data), self._memberships(row)]
            for row in reversed(contacts.values())
        )
        return table("Contacts", len(contacts), ["ID", "Email", "Name", "Properties", "Lists"], rows)

    def _memberships(self, contact: Contact) -> Cell:
        marks = ["excluded from campaigns"] if contact.excluded else []
        for member in self._state.store.memberships_of(contact):
            name = text(self._state.store.lists[member.list_id].name)
            marks.append(f'<span class="bad">{name}, unsubscribed</span>' if member.unsubscribed else name)
        return "<br>".join(marks)

    def _jobs(self) -> str:
        jobs = self._state.store.jobs
        rows = ([number(row.id), row.kind, *self._progress(row)] for row in reversed(jobs.values()))
        return table("Jobs", len(jobs), ["ID", "Kind", "Status", "Rows", "Started", "Error"], rows)

    def _progress(self, job: Job) -> list[Cell]:
        status = self._state.jobs.status(job)
        kind = "bad" if job.errors else "good" if status == "Completed" else ""
        rows = f"{job.count:,}" if job.ended_at else f"{job.count:,} of {len(job.rows):,}"
        return [f'<span class="{kind}">{status}</span>', rows, moment(job.started_at), text(error_text(job))]

    def _callbacks(self) -> str:
        callbacks = self._state.store.callbacks
        rows = (
            [
                number(row.id),
                row.event_type + (", backup" if row.is_backup else ""),
                text(without_password(row.url)),
                f"{row.version}",
                f'<span class="{"good" if row.status == "alive" else "bad"}">{row.status}</span>',
            ]
            for row in callbacks.values()
        )
        return table("Event callback URLs", len(callbacks), ["ID", "Event", "URL", "Version", "Status"], rows)

    def _campaigns(self) -> str:
        campaigns = self._state.store.campaigns
        rows = (
            [
                number(row.id),
                text(row.subject),
                number(row.list_id),
                text(row.custom_value),
                moment(row.created_at),
            ]
            for row in reversed(campaigns.values())
        )
        return table("Campaigns", len(campaigns), ["ID", "Subject", "List", "Custom value", "Sent"], rows)

    def _properties(self) -> str:
        definitions = self._state.store.properties
        rows = ([number(row.id), text(row.name), row.datatype, row.namespace] for row in definitions.values())
        return table("Contact properties", len(definitions), ["ID", "Name", "Datatype", "Namespace"], rows)

    def _calls(self) -> str:
        recent = self._state.calls.recent
        rows = (
            [
                time.strftime("%H:%M:%S", time.gmtime(call.at)),
                f'<span class="{"good" if 0 < call.status < 400 else "bad"}">{call.status or "none"}</span>',
                text(call.method),
                text(call.path),
                call.faults,
            ]
            for call in reversed(recent)
        )
        return table("Recent calls", len(recent), ["Time", "Status", "Method", "Path", "Faults"], rows)


def table(title: str, total: int, names: Sequence[str], rows: Iterable[list[Cell]]) -> str:
    shown = list(islice(rows, ROWS))
    note = f"{total:,}" if total <= ROWS else f"{ROWS} of {total:,}"
    head = f"<section><h2>{title}<small>{note}</small></h2>"
    if not shown:
        return f'{head}<p class="none">None yet.</p></section>'
    titles = "".join(f"<th>{name}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in shown)
    return f'{head}<div class="scroll"><table><tr>{titles}</tr>{body}</table></div></section>'


def text(value: object) -> Cell:
    """Escape a text, and cut it where it would fill the page."""
    raw = str(value).lower() if isinstance(value, bool) else str(value)
    return escape(raw if len(raw) <= _MAX_TEXT else f"{raw[:_MAX_TEXT]}…")


def number(value: int) -> Cell:
    return str(value)


def moment(unix_seconds: int) -> Cell:
    return clock.rfc3339(unix_seconds).replace("T", " ").removesuffix("Z")


def pairs(values: Mapping[str, object]) -> Cell:
    return "".join(
        f'<span class="property"><i>{text(name)}</i> {text(value)}</span>'
        for name, value in islice(values.items(), ROWS)
    )


def without_password(url: str) -> str:
    """Callback URLs carry secrets as ``user:password@``."""
    scheme, separator, rest = url.partition("://")
    userinfo, at, host = rest.partition("/")[0].rpartition("@")
    if not at:
        return url
    user = userinfo.partition(":")[0]
    return f"{scheme}{separator}{user}:•••@{host}{rest[len(userinfo) + 1 + len(host) :]}"
