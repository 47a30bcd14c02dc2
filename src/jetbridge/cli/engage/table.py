"""Audiences, computed traits and people, laid out for the commands. The keys of the JSON are a promise to scripts."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from jetbridge.engage.explaining import Explanation, PersonExplained, Preview
from jetbridge.engage.memberships import Member
from jetbridge.engage.queries import ComputationItem
from jetbridge.engage.store import Identifier
from jetbridge.spec.names import property_name
from jetbridge.text import pluralize

_INDENT = 14


def as_object(item: ComputationItem) -> dict[str, Any]:
    """As the API has it."""
    row = item.row
    return {
        "id": row.id,
        "computation_id": row.computation_id,
        "key": row.key,
        "property": property_name(row.key),
        "name": row.name,
        "definition": row.definition,
        "text": item.text,
        "state": item.state,
        "error": item.error,
        "size": item.size,
        "progress": item.progress,
        "enabled": row.enabled,
        "include_history": row.include_history,
        "include_anonymous": row.include_anonymous,
        "version": row.version,
        "created_at": row.created_at.isoformat(),
        "computed_at": _moment(item.computed_at),
        "week": [
            {
                "day": day.day.date().isoformat(),
                "entered": day.entered,
                "exited": day.exited,
                "size": day.size,
            }
            for day in item.week
        ],
        "destinations": [
            {
                "destination": destination.id,
                "name": destination.name,
                "property": destination.property,
                "adds_members": destination.adds_members,
                "list_id": destination.list_id,
                "first_sync": (sync := destination.first_sync)
                and {"people": sync.people, "left": sync.left, "began_at": _moment(sync.began_at)},
                "error": destination.error,
            }
            for destination in item.destinations
        ],
    }


def text(items: Sequence[ComputationItem]) -> str:
    """A line for each."""
    return "\n".join(_line(item) for item in items)


def details(item: ComputationItem) -> str:
    """One, with all that is known of it."""
    row = item.row
    lines = [_line(item)]
    values = {
        "key": row.key,
        "definition": json.dumps(row.definition, ensure_ascii=False),
        "in words": item.text,
        "error": item.error,
        "events": "" if row.include_history else f"from {row.created_at:%Y-%m-%d %H:%M:%S} UTC on",
        "anonymous": "included" if row.include_anonymous else "",
        "last week": ", ".join(
            f"{day.day:%Y-%m-%d} +{day.entered:,} −{day.exited:,}"  # noqa: RUF001
            for day in item.week
            if day.entered or day.exited
        ),
    }
    lines += [f"   {name:<{_INDENT}}{value}" for name, value in values.items() if value]
    for destination in item.destinations:
        adds = ", adds members" if destination.adds_members else ""
        follows = f", list {destination.list_id}" if destination.list_id else ""
        disabled = "" if destination.enabled else ", disabled"
        name = f"to {destination.name}"
        lines.append(f"   {name:<{_INDENT - 1}} property {destination.property}{adds}{follows}{disabled}")
        if (sync := destination.first_sync) and sync.left:
            lines.append(
                f"   {'':<{_INDENT}}first sync: {sync.people - sync.left:,} of {sync.people:,} people"
            )
        if destination.error:
            lines.append(f"   {'':<{_INDENT}}waits: {destination.error}")
    return "\n".join(lines)


def person(member: Member) -> dict[str, Any]:
    return {
        "profile": member.segment_id,
        "identifiers": _identifiers(member.identifiers),
        "value": member.value,
        "since": _moment(member.since),
    }


def person_line(member: Member) -> str:
    value = "" if member.value is None else f"  {json.dumps(member.value, ensure_ascii=False)}"
    return f"{_names(member.identifiers)}{value}"


def preview(seen: Preview) -> dict[str, Any]:
    return {
        "text": seen.text,
        "count": seen.count,
        "without_address": seen.without_address,
        "items": [
            {
                "profile": person.segment_id,
                "identifiers": _identifiers(person.identifiers),
                "why": list(person.why),
                "value": person.value,
                "before": person.before,
            }
            for person in seen.sample
        ],
        "seconds": round(seen.seconds, 3),
        "looked_at": round(seen.looked_at, 4),
    }


def preview_text(seen: Preview) -> str:
    about = f"about, by {seen.looked_at:.0%} of all people: " if seen.too_slow else ""
    address = f", {seen.without_address:,} of them without an address" if seen.without_address else ""
    lines = [seen.text, f"{about}{pluralize(seen.count, 'person', 'people')}{address}"]
    for person in seen.sample:
        value = "" if person.value is None else f"  {json.dumps(person.value, ensure_ascii=False)}"
        lines += [f"   {_names(person.identifiers)}{value}", *(f"      {reason}" for reason in person.why)]
    return "\n".join(lines)


def explanation(explained: PersonExplained) -> dict[str, Any]:
    conditions = _conditions(explained.explanation, 0) if explained.explanation else ()
    return {
        "profile": explained.segment_id,
        "identifiers": _identifiers(explained.identifiers),
        "member": explained.member,
        "why": list(explained.why),
        "conditions": [
            {
                "depth": depth,
                "kind": part.kind,
                "text": part.text,
                "is_met": part.is_met,
                "figure": part.figure,
            }
            for depth, part in conditions
        ],
        "until": _moment(explained.until),
        "value": explained.value,
        "excluded": explained.excluded,
    }


def explanation_text(name: str, explained: PersonExplained) -> str:
    who = _names(explained.identifiers)
    if explained.explanation is None:
        lines = [f"{who}: {name} is {json.dumps(explained.value, ensure_ascii=False)}", *explained.why]
    else:
        lines = [f"{who} is {'in' if explained.member else 'not in'} {name}"]
        lines += [
            f"   {'   ' * depth}{'yes' if part.is_met else 'no '}  {part.text}{part.figure and f' ({part.figure})'}"
            for depth, part in _conditions(explained.explanation, 0)
        ]
    if explained.excluded:
        lines.append(explained.excluded)
    if explained.until:
        lines.append(f"Time alone changes nothing before {explained.until:%Y-%m-%d %H:%M:%S} UTC.")
    return "\n".join(lines)


def _conditions(explanation: Explanation, depth: int) -> Iterator[tuple[int, Explanation]]:
    yield depth, explanation
    for part in explanation.parts:
        yield from _conditions(part, depth + 1)


def _line(item: ComputationItem) -> str:
    row, today = item.row, item.today
    state = f"computing, {item.progress:.0%}" if item.state == "computing" else item.state
    changes = f", +{today.entered:,} −{today.exited:,} today" if today.entered or today.exited else ""  # noqa: RUF001
    where = ", ".join(destination.name for destination in item.destinations) or "no destination"
    return f"{row.id}  {row.name} ({state}): {pluralize(item.size, 'person', 'people')}{changes}, to {where}"


def _identifiers(identifiers: Sequence[Identifier]) -> list[dict[str, str]]:
    return [{"type": identifier.type, "value": identifier.value} for identifier in identifiers]


def _names(identifiers: Sequence[Identifier]) -> str:
    return ", ".join(identifier.value for identifier in identifiers) or "somebody without an identifier"


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
