"""The seven events of Mailjet's Event API, read as they come.

Fields are documented per event, and not to be relied on: CustomID, Payload and Message_GUID may be missing,
ids were text in 2012, `mj_contact_id` is 0 in tests and in some real events, `email` is empty when the test
button of Mailjet's pages was pressed. So every field is optional here, and only an event that is no object,
or of no known type, is refused.
"""

from typing import Any, Final

import msgspec

from jetbridge.spec.numbers import whole_number
from jetbridge.spec.times import unix_ms
from jetbridge.spec.untrusted_json import JSON_ERRORS

EVENT_TYPES: Final = ("sent", "open", "click", "bounce", "blocked", "spam", "unsub")

#: Ids are numbers up to 2^63, in old events text.
Id = int | str | float | None
Text = str | int | float | None
Flag = bool | int | str | None

#: What an event came without because it could not be read: dotted paths, in a key that Mailjet does not have.
DROPPED: Final = "_dropped"

#: 2000-01-01. Mailjet was founded in 2010.
_EARLIEST_MS = 946_684_800_000
#: How far an event's time may lie after its receipt: clocks differ, but not by more.
MOST_AHEAD_MS = 86_400_000


class EmailEvent(msgspec.Struct, gc=False):
    """One event under Mailjet's names. "" and None both mean: not there."""

    event: str
    time: Id = None
    message_id: Id = msgspec.field(name="MessageID", default=None)
    message_guid: Text = msgspec.field(name="Message_GUID", default=None)
    email: str | None = None
    mj_campaign_id: Id = None
    mj_contact_id: Id = None
    customcampaign: Text = None
    custom_id: Text = msgspec.field(name="CustomID", default=None)
    payload: Text = msgspec.field(name="Payload", default=None)
    #: sent: what the recipient's server said when it took the message.
    smtp_reply: Text = None
    #: open, click, unsub: where it happened; `geo` is an ISO country code.
    ip: Text = None
    geo: Text = None
    agent: Text = None
    #: click
    url: Text = None
    #: bounce (blocked: the first two only)
    error_related_to: Text = None
    error: Text = None
    hard_bounce: Flag = None
    blocked: Flag = None
    comment: Text = None
    #: spam: the feedback loop that reported it, such as JMRPP.
    source: Text = None
    #: unsub; 0 when the person did not unsubscribe from one list.
    mj_list_id: Id = None


class NoEmailEvent(ValueError):
    """What came is no event of Mailjet. `str()` is a sentence that says why."""


_typed = msgspec.json.Decoder(EmailEvent).decode
_anything = msgspec.json.Decoder().decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


def parse(body: bytes) -> tuple[EmailEvent, dict[str, Any]]:
    """One event, typed and raw. Raises NoEmailEvent; a field of a surprising type is merely absent."""
    try:
        event, raw = _typed(body), _object(body)
    except JSON_ERRORS:
        event, raw = _parse_patiently(body)
    if event.event not in EVENT_TYPES:
        raise NoEmailEvent(f'"{event.event[:40]}" is no event type of Mailjet.')
    return event, raw


def id_text(value: Id) -> str | None:
    """An id, digit for digit, or None for 0 and nothing. A float has lost its precision on the way to us."""
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    return str(value) if value and value != "0" else None


def happened_at_ms(event: EmailEvent, received_at: int) -> int:
    """When it happened; both times in ms. What is no time (`time_ms`) counts from the receipt: an unsubscribe from the
    year 9999 would outlast every consent, one from 1973 none.
    """
    return time_ms(event.time, received_at) or received_at


def time_ms(time: object, received_at: int) -> int | None:
    """A time of Mailjet's in ms; None if it is no number, lies before 2000 or more than a day after the receipt.

    Mailjet says it in whole seconds (Event API guide, `time`); smaller units are told by their size.
    """
    at = unix_ms(whole_number(time) or 0)
    return at if _EARLIEST_MS <= at <= received_at + MOST_AHEAD_MS else None


def _parse_patiently(body: bytes) -> tuple[EmailEvent, dict[str, Any]]:
    try:
        raw = _anything(body)
    except JSON_ERRORS as error:
        raise NoEmailEvent(f"This is no JSON: {error}.") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("event"), str):
        raise NoEmailEvent("An event is a JSON object with a text named event.")
    known = {name: value for name, value in raw.items() if _fits(name, value)}
    return msgspec.convert(known, EmailEvent), raw


_TYPES = {field.encode_name: field.type for field in msgspec.structs.fields(EmailEvent)}


def _fits(name: str, value: object) -> bool:
    try:
        msgspec.convert(value, _TYPES.get(name, object))
    except msgspec.ValidationError:
        return False
    return True
