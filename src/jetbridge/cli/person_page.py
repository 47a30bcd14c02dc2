"""What Jetbridge has of a person, for `jetbridge people`, `contacts show` and `messages trace`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jetbridge import eventlog
from jetbridge.control.directory import custom_id_sources, destinations_of
from jetbridge.control.models import Workspace
from jetbridge.engage import people, queries
from jetbridge.engage.people import Membership, Profile
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, EventLog
from jetbridge.eventlog.search import about
from jetbridge.integrations import registry
from jetbridge.privacy import suppression
from jetbridge.privacy.models import Suppression
from jetbridge.services.queries import record_detail
from jetbridge.spec.person import Identity


@dataclass(frozen=True)
class Person:
    """`contacts` are by destination name; `profile` is that of Engage. `identity` has all names that are known."""

    identity: Identity
    is_suppressed: bool
    contacts: Mapping[str, list[dict[str, Any]]]
    profile: Profile | None

    @property
    def is_empty(self) -> bool:
        return not (self.is_suppressed or self.contacts or self.profile)


def read(workspace: Workspace, name: str) -> Person:
    """Somebody by a userId or an address, in one workspace."""
    identity = Identity.of_name(name)
    profile = people.profile(queries.space_of(workspace), name, events=people.MAX_EVENTS)
    for identifier in profile.identifiers if profile else ():
        identity |= Identity.of_name(identifier.value)
    digests = suppression.digests(identity)
    return Person(
        identity,
        Suppression.objects.filter(workspace_id=workspace.id, digest__in=digests).exists(),
        contacts(workspace, identity),
        profile,
    )


def contacts(workspace: Workspace, identity: Identity) -> dict[str, list[dict[str, Any]]]:
    """What each destination of a workspace stores of a person, by the destination's name."""
    refs = [ref for ref in destinations_of(workspace.id) if ref.kind in registry.destinations()]
    rows = {ref.name: registry.destination(ref.kind).person(ref, identity) for ref in refs}
    return {name: of_destination for name, of_destination in rows.items() if of_destination}


def messages(
    workspace: Workspace, person: Person, watch: Callable[[EventLog], EventLog]
) -> list[dict[str, Any]]:
    """What the event log has of a person, as it was received; reads all of it. Secrets in messages are masked."""
    sources = dict(workspace.sources.values_list("id", "name"))
    search = about(sources, person.identity, custom_id_sources(workspace.id))
    with eventlog.open(settings.CONFIG) as event_log:
        return [
            {
                "position": record.position,
                "received_at": time_of(record.received_at),
                "source": sources[record.source],
                "type": record.type,
                "error": record.error,
                "message": record.body.decode("utf-8", "replace")
                if record.type in {INVALID, EMAIL_EVENT}
                else record_detail.readable(record.body),
            }
            for record in watch(event_log).find(search)
        ]


def as_object(person: Person) -> dict[str, Any]:
    """The JSON of `--json`; its keys are a promise to scripts."""
    profile = person.profile
    return {
        "user_ids": sorted(person.identity.users - person.identity.emails),
        "emails": sorted(person.identity.emails),
        "suppressed": person.is_suppressed,
        "contacts": person.contacts,
        "profile": profile
        and {
            "profile": profile.segment_id,
            "created_at": profile.created_at,
            "identifiers": [identifier._asdict() for identifier in profile.identifiers],
            "traits": dict(profile.traits),
            "audiences": [_membership(row) for row in profile.audiences],
            "computed_traits": [_membership(row) for row in profile.computed],
            "events": [event._asdict() for event in profile.events],
            "merged": list(profile.merged),
        },
    }


def _membership(row: Membership) -> dict[str, Any]:
    return {"key": row.computation.key, "name": row.computation.name, "value": row.value, "since": row.since}


def page(name: str, person: Person) -> Iterator[RenderableType]:
    """The same for a person who reads it."""
    if person.is_empty:
        yield f"Nothing is known of {escape(name)}."
    if person.is_suppressed:
        yield Text("Deleted: messages that name this person are not accepted.", style="yellow")
    if profile := person.profile:
        yield Text.assemble(("In Engage", "bold"), f" since {profile.created_at:%Y-%m-%d}")
        table = Table(box=None, pad_edge=True, show_header=False)
        for identifier in profile.identifiers:
            table.add_row(identifier.type, Text(identifier.value))
        for trait, value in profile.traits.items():
            table.add_row(f"trait {escape(trait)}", Text(str(value)[:200]))
        for row in profile.audiences:
            table.add_row("audience", Text(row.computation.name))
        for row in profile.computed:
            table.add_row(f"computed trait {escape(row.computation.name)}", Text(str(row.value)[:200]))
        yield table
    yield from contact_parts(person.contacts)


def contact_parts(by_destination: Mapping[str, list[dict[str, Any]]]) -> Iterator[RenderableType]:
    """Each contact with its subscriptions and properties: in Segment, and in Mailjet."""
    for destination, rows in by_destination.items():
        for contact in rows:
            verdict = (
                ("as Mailjet confirmed it", "green")
                if contact["agrees"]
                else ("differs from Mailjet", "yellow")
            )
            yield Text()
            yield Text.assemble(
                (contact["email"], "bold"), f" at {destination}: {contact['state']}, ", verdict,
                f"; users: {', '.join(contact['users']) or 'none'}",
            )  # fmt: skip
            for key, text in (
                ("wants_no_mail_since", "wants no mail since"),
                ("bounced_since", "hard bounce"),
            ):
                if contact[key]:
                    yield Text(f"  {text} {contact[key]}", style="yellow")
            table = Table(box=None, pad_edge=True)
            for heading in ("", "In Segment", "In Mailjet", ""):
                table.add_column(heading, overflow="fold")
            for list_id, row in contact["lists"].items():
                table.add_row(f"list {list_id}", row["desired"], row["delivered"] or "-", "")
            for name, row in contact["properties"].items():
                mark = "rejected" if row["rejected"] else "differs" if row["differs"] else ""
                values = (
                    "-" if value is None else str(value)[:200] for value in (row["desired"], row["delivered"])
                )
                table.add_row(*(escape(cell) for cell in (name, *values, mark)))
            yield table


def time_of(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")[:19]
