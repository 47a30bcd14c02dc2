"""The seven events of Mailjet's Event API, read as they come.

Fields are documented per event, and not to be relied on: CustomID, Payload and Message_GUID may be missing,
ids were text in 2012, `mj_contact_id` is 0 in tests and in some real events, `email` is empty when the test
button of Mailjet's pages was pressed. So every field is optional here, and only an event that is no object,
or of no known type, is rejected.
"""

from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from jetbridge.spec.times import unix_ms
from jetbridge.spec.untrusted import JSON_ERRORS, whole_number

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
    #: sent: the reply of the recipient's server when it accepted the message.
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


class InvalidEmailEvent(ValueError):
    """Not an event of Mailjet. `str()` says why."""


_typed = msgspec.json.Decoder(EmailEvent).decode
_anything = msgspec.json.Decoder().decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


#: The attribute and the type of each field of Mailjet's.
_FIELDS = {field.encode_name: (field.name, field.type) for field in msgspec.structs.fields(EmailEvent)}


def parse(body: bytes) -> tuple[EmailEvent, dict[str, Any]]:
    """One event, typed and raw. Raises InvalidEmailEvent; a field of an unexpected type is merely absent."""
    try:
        event, raw = _typed(body), _object(body)
    except JSON_ERRORS:
        try:
            raw = _anything(body)
        except JSON_ERRORS as error:
            raise InvalidEmailEvent(f"This is no JSON: {error}.") from None
        if not isinstance(raw, dict) or not isinstance(raw.get("event"), str):
            raise InvalidEmailEvent("An event is a JSON object with a text named event.") from None
        event = EmailEvent(raw["event"])
        for name in raw.keys() & _FIELDS.keys():
            attribute, type_ = _FIELDS[name]
            with suppress(msgspec.ValidationError):
                setattr(event, attribute, msgspec.convert(raw[name], type_))
    if event.event not in EVENT_TYPES:
        raise InvalidEmailEvent(f'"{event.event[:40]}" is no event type of Mailjet.')
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

    Mailjet sends whole seconds (Event API guide, `time`); smaller units are recognised by their size.
    """
    at = unix_ms(whole_number(time) or 0)
    return at if _EARLIEST_MS <= at <= received_at + MOST_AHEAD_MS else None


class State(NamedTuple):
    """Why a message did not arrive, and what that relates to.

    Numbers: mailjet-apiv3-nodejs, Message.ts. What they relate to: Event API guide, "Possible values for errors".
    """

    text: str
    related_to: str


STATES: Final = {
    1: State("user unknown", "recipient"),
    2: State("mailbox inactive", "recipient"),
    3: State("quota exceeded", "recipient"),
    4: State("invalid domain", "domain"),
    5: State("no mail host", "domain"),
    6: State("relay/access denied", "domain"),
    7: State("sender blocked", "spam"),
    8: State("content blocked", "spam"),
    9: State("policy issue", "spam"),
    10: State("system issue", "system"),
    11: State("protocol issue", "system"),
    12: State("connection issue", "system"),
    13: State("greylisted", "domain"),
    14: State("preblocked", "mailjet"),
    15: State("duplicate in campaign", "mailjet"),
    16: State("spam preblocked", "mailjet"),
    17: State("bad or empty template", "content"),
    18: State("error in template language", "content"),
    19: State("typofix", "domain"),
    20: State("blacklisted", "recipient"),
    21: State("spam reporter", "recipient"),
}
RELATED_TO: Final = {state.text: state.related_to for state in STATES.values()}
