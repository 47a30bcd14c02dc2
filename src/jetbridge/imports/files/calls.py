"""From a row to its identify call, or to the reason why it has none."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from jetbridge.imports.files.columns import TRAITS, Column, Role, role_of
from jetbridge.imports.files.options import Options
from jetbridge.imports.files.records import Place, Record
from jetbridge.spec import emails, person
from jetbridge.spec.booleans import ParsedBoolean
from jetbridge.spec.message import CALL_TYPES, Message
from jetbridge.text import printable

_NEVER = datetime.min.replace(tzinfo=UTC)

#: Segment's limit for one call.
CALL_BYTES = 32_000


class Row(NamedTuple):
    """`call` is JSON, or None with the reason, which follows upon the place: “line 3 has …”."""

    place: Place
    call: bytes | None
    reason: str = ""
    #: What a person should know of a row that is sent all the same.
    warning: str = ""
    record: Record | None = None


class RowRejected(Exception):
    """`str()` is the reason, as `Row` has it."""


def row_of(record: Record, columns: Sequence[Column], options: Options) -> Row:
    """`columns` is empty for JSON."""
    try:
        call = _call_of(record, columns, options)
        warnings = [_check_person(call)]
        if record.dropped:
            warnings.append(f"goes without {printable(', '.join(record.dropped))}: no value of JSON")
        body = _encoded(call, record.place)
    except RowRejected as error:
        return Row(record.place, None, str(error), record=record)
    return Row(record.place, body, warning="; ".join(filter(None, warnings)), record=record)


def _call_of(record: Record, columns: Sequence[Column], options: Options) -> dict[str, Any]:
    if record.fault or record.values is None:
        raise RowRejected(record.fault)
    if isinstance(record.values, dict):
        for path in record.dropped:  # a consent that was dropped is not one that was not given
            if person.drops_consent(path, "unsubscribed") or person.drops_consent(
                f"traits.{path}", "unsubscribed"
            ):
                raise RowRejected(f"has a value of {path} that is none of JSON")
        return _call_of_object(record.values, options)
    traits: dict[str, Any] = {}
    user_id = ""
    for column in columns:
        cell = record.values[column.index]
        if not cell or column.role == "ignored" or not cell.strip():
            continue
        if column.role == "user_id":
            user_id = column.read(cell)
        else:
            traits[column.trait] = column.read(cell)
    return _identify(user_id, traits)


def _call_of_object(value: Mapping[str, Any], options: Options) -> dict[str, Any]:
    if isinstance(value.get("traits"), dict) or value.get("type") in CALL_TYPES:
        kind = value.get("type", "identify")
        if kind != "identify":
            raise RowRejected(f"is a {str(kind)[:40]} call; only identify calls are sent")
        ids = {
            name: _id(value[name], name)
            for name in ("userId", "anonymousId")
            if not _is_empty(value.get(name))
        }
        return {**value, **ids, "type": "identify"}
    names: dict[Role, list[str]] = {}
    for name in value:
        names.setdefault(role_of(name, options), []).append(name)
    # Where several keys say the same, which one counts is decided where every call's address and consent are read.
    renamed: dict[str, str] = {
        keys[0]: role for role, keys in names.items() if role in TRAITS and len(keys) == 1
    }
    left_out = {*names.get("user_id", ()), *names.get("ignored", ())}
    traits = {renamed.get(name, name): trait for name, trait in value.items() if name not in left_out}
    user_ids = {_id(value[key], key) for key in names.get("user_id", ()) if not _is_empty(value[key])}
    if len(user_ids) > 1:
        raise RowRejected(f"has several userIds: {', '.join(map(_shown, sorted(user_ids)))}")
    return _identify(user_ids.pop() if user_ids else "", traits)


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _identify(user_id: str, traits: dict[str, Any]) -> dict[str, Any]:
    call = {"type": "identify", "userId": user_id, "traits": traits}
    if not user_id:
        del call["userId"]
    return call


def _check_person(call: dict[str, Any]) -> str:
    """The warning that the row goes with, if any: the row's person is found where every call's person is.

    Gives who has no id the address as anonymousId. Raises RowRejected for an address that is none, and for nobody.
    """
    traits, context = call.get("traits"), call.get("context")
    message = Message(
        type="identify",
        message_id="",
        timestamp=_NEVER,
        received_at=_NEVER,
        traits=traits if isinstance(traits, dict) else None,
        context=context if isinstance(context, dict) else None,
    )
    named = person.address_of(message)
    address = emails.normalise(named[1]) if named else None
    if named and address is None:
        name = "email" if named[0] == person.EMAIL else named[0]
        raise RowRejected(f"has an {name} that is no address: {_shown(named[1])}")
    if not call.get("userId") and not call.get("anonymousId"):
        if address is None:
            raise RowRejected("names nobody: it has neither an email address nor a userId")
        call["anonymousId"] = address
    consent = person.consent_of(message, "unsubscribed")
    if consent.unsubscribed is not ParsedBoolean.UNREADABLE:
        return ""
    return (
        f"says {_shown(consent.value)} as unsubscribed, which is neither yes nor no: "
        "the properties go, and no subscription changes"
    )


def _id(value: Any, name: str) -> str:
    """Of a person, as text: 55520.0 is 55520, and MongoDB's {"$oid": …} is what stands in it."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        if key in {"$oid", "$numberLong", "$numberInt", "$uuid"} and isinstance(inner, str):
            value = inner
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowRejected(f"has a {name} that is neither text nor a number: {_shown(value)}")
    return str(value).strip()


def _shown(value: Any) -> str:
    text = printable(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return text if len(text) <= 60 else f"{text[:60]}…"


def _encoded(call: dict[str, Any], place: Place) -> bytes:
    """As JSON. The messageId is the same for the same row in the same place: a file sent again is the same messages."""
    try:
        if "messageId" not in call:
            content = b"%d:%b" % (place.number, msgspec.json.encode(call, order="sorted"))
            call["messageId"] = "send-" + hashlib.sha256(content).hexdigest()[:32]
        body = msgspec.json.encode(call)
    except UnicodeError:
        raise RowRejected("holds half of a character, which is no text") from None
    except (ValueError, OverflowError, RecursionError, TypeError):
        raise RowRejected("cannot be written as JSON: it is nested too deep") from None
    if len(body) > CALL_BYTES:
        sizes = {name: len(msgspec.json.encode(value)) for name, value in (call.get("traits") or {}).items()}
        largest = max(sizes, key=lambda name: sizes[name], default="")
        rest = f", of which {largest} is {sizes[largest]:,}" if largest else ""
        raise RowRejected(f"is {len(body):,} bytes as a call{rest}; {CALL_BYTES:,} are allowed")
    return body
