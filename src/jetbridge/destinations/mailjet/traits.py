"""From an Identify call to what it wishes for a contact: address, properties, list and action."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from jetbridge.destinations.mailjet.mapping import Lost, Mapping
from jetbridge.destinations.mailjet.mapping_text import EMAIL
from jetbridge.errors import MessageRejected
from jetbridge.mailjet.actions import ACTIONS, ADDNOFORCE, UNSUB
from jetbridge.spec.emails import normalise
from jetbridge.spec.message import Message

#: The destination's name in the integrations object (Segment catalogue; case-sensitive).
NAME = "Mailjet"

#: The trait that says, when true, that the person is unsubscribed; the destination's settings may name another,
#: also one within an object: `preferences.unsubscribed`.
UNSUBSCRIBED = "unsubscribed"

#: How far a call's time may lie after its receipt: a clock that is years ahead would win for years.
MOST_AHEAD = timedelta(days=1)


class Wish(msgspec.Struct, gc=False):
    """What one Identify wants. `time` is its timestamp in ms; `email` None: use the one known for the user.

    `asked_at` is when the action was asked for: not after the receipt, or a clock that is ahead would outlast
    the unsubscribes that follow.
    """

    user_id: str | None
    email: str | None
    properties: dict[str, Any]
    time: int
    list_id: int
    action: str
    asked_at: int
    #: Traits that found their property taken by another trait of the call.
    lost: Lost = ()


def wish(
    message: Message, default_list: int, mapping: Mapping, unsubscribed_trait: str = UNSUBSCRIBED
) -> Wish:
    """Read an Identify. Raises MessageRejected (INVALID_EMAIL, INVALID_SETTINGS) with a sentence."""
    traits = message.traits or {}
    list_id, action = options(message, default_list)
    if _is_true(traits, unsubscribed_trait):  # whatever else the call asks for
        action = UNSUB
    email = _email(traits, message.context)
    properties, lost = mapping.properties(traits)
    time = _ms(min(message.timestamp, message.received_at + MOST_AHEAD))
    asked_at = time if action == ADDNOFORCE else min(time, _ms(message.received_at))
    return Wish(message.user_id, email, properties, time, list_id, action, asked_at, lost)


def _is_true(traits: dict[str, Any], name: str) -> bool:
    value = traits.get(name)
    if value is None and "." in name:
        value = _within(traits, name)
    return value is not None and (
        value is True or value == 1 or (isinstance(value, str) and value.strip().lower() == "true")
    )


def _within(traits: Any, path: str) -> Any:
    for part in path.split("."):
        traits = traits.get(part) if isinstance(traits, dict) else None
    return traits


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _email(traits: dict[str, Any], context: dict[str, Any] | None) -> str | None:
    value = traits.get(EMAIL)
    if value is None and context and isinstance(context.get("traits"), dict):
        value = context["traits"].get(EMAIL)
    if value is None or value == "":
        return None
    email = normalise(value)
    if email is None:
        raise MessageRejected("INVALID_EMAIL", f"{str(value)[:100]!r} is no email address.")
    return email


def options(message: Message, default_list: int) -> tuple[int, str]:
    """List and action: the integrations object's options, else settings sent along, else the default.

    Raises MessageRejected.
    """
    given = message.integrations and message.integrations.get(NAME)
    if not message.settings and not isinstance(given, dict):
        return default_list, ADDNOFORCE
    chosen = {**(message.settings or {}), **(given if isinstance(given, dict) else {})}
    action = chosen.get("action", ADDNOFORCE)
    if action not in ACTIONS:
        raise MessageRejected(
            "INVALID_SETTINGS", f"The action {str(action)[:40]!r} is none of {', '.join(ACTIONS)}."
        )
    return list_id_of(chosen.get("listId", default_list)), action


def list_id_of(value: Any) -> int:
    """A list id, sent as number or text. Raises MessageRejected."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 2**63:
        raise MessageRejected("INVALID_SETTINGS", f"{str(value)[:40]!r} is no Mailjet list ID.")
    return int(text)
