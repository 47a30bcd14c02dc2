"""How values and subscriptions of contacts are shown."""

import json
from typing import Any

from django import template

from jetbridge.integrations.mailjet.api.actions import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts.state import LEFT, UNKNOWN

register = template.Library()

#: Actions in words.
_SUBSCRIPTIONS = {
    ADDNOFORCE: "subscribed",
    ADDFORCE: "subscribed again",
    UNSUB: "unsubscribed",
    REMOVE: "not on the list",
    LEFT: "not on the list",
    UNKNOWN: "not known: an answer was lost",
}


@register.filter
def value(said: Any) -> str:
    """A text as it is; anything else as JSON has it: true, 3, null."""
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


@register.filter
def subscription(action: str | None) -> str:
    """What an action on a list makes of a contact."""
    return _SUBSCRIPTIONS.get(action or "", "not sent yet")
