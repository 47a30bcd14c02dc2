"""The seven types of email event, and why a message did not arrive.

Field names and samples: https://dev.mailjet.com/email/guides/webhooks/ and recorded events.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mailjet_sandbox.model import Message


class MessageState(NamedTuple):
    id: int
    related_to: str
    text: str


#: Identifiers [S, mailjet-apiv3-nodejs Message.ts]; what each relates to [D, Event API guide].
STATES = (
    MessageState(1, "recipient", "user unknown"),
    MessageState(2, "recipient", "mailbox inactive"),
    MessageState(3, "recipient", "quota exceeded"),
    MessageState(4, "domain", "invalid domain"),
    MessageState(5, "domain", "no mail host"),
    MessageState(6, "domain", "relay/access denied"),
    MessageState(7, "spam", "sender blocked"),
    MessageState(8, "spam", "content blocked"),
    MessageState(9, "spam", "policy issue"),
    MessageState(10, "system", "system issue"),
    MessageState(11, "system", "protocol issue"),
    MessageState(12, "system", "connection issue"),
    MessageState(13, "domain", "greylisted"),
    MessageState(14, "mailjet", "preblocked"),
    MessageState(15, "mailjet", "duplicate in campaign"),
    MessageState(16, "mailjet", "spam preblocked"),
    MessageState(17, "content", "bad or empty template"),
    MessageState(18, "content", "error in template language"),
    MessageState(19, "domain", "typofix"),
    MessageState(20, "recipient", "blacklisted"),
    MessageState(21, "recipient", "spam reporter"),
)

#: A message in one of these will not be delivered later: a hard bounce.
PERMANENT = (1, 2, 4, 5)

_BY_TEXT = {state.text: state for state in STATES}

#: What a simulated bounce draws from: permanent ones, then those that pass.
HARD_BOUNCES = tuple(
    _BY_TEXT[text] for text in ("user unknown", "mailbox inactive", "invalid domain", "no mail host")
)
SOFT_BOUNCES = tuple(_BY_TEXT[text] for text in ("quota exceeded", "connection issue", "content blocked"))
BLOCKS = tuple(_BY_TEXT[text] for text in ("preblocked", "spam reporter", "duplicate in campaign"))

#: The receiving server's reply, for the bounces above.
SMTP_COMMENTS = {
    "user unknown": "550 5.1.1 The email account that you tried to reach does not exist",
    "mailbox inactive": "550 5.2.1 The email account that you tried to reach is inactive",
    "invalid domain": "Host or domain name not found",
    "no mail host": "No MX or A records for this domain",
    "quota exceeded": "452 4.2.2 The recipient's inbox is out of storage space",
    "connection issue": "Connection timed out",
    "content blocked": "554 5.7.1 Message rejected because of its content",
}


def state_text(state_id: int) -> str:
    return next((state.text for state in STATES if state.id == state_id), "")


#: The EventType in ``/messagehistory``, by type of event.
HISTORY = {
    "sent": "sent",
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "blocked": "blocked",
    "spam": "spam",
    "unsub": "unsub",
}
#: The fields that an event has beside the common ones [D].
OWN_FIELDS = {
    "sent": ("mj_message_id", "smtp_reply"),
    "open": ("ip", "geo", "agent"),
    "click": ("url", "ip", "geo", "agent"),
    "bounce": ("blocked", "hard_bounce", "error_related_to", "error", "comment"),
    "blocked": ("error_related_to", "error"),
    "spam": ("source",),
    "unsub": ("mj_list_id", "ip", "geo", "agent"),
}
#: The Status in ``/message``, by type of event.
STATUS = {**HISTORY, "bounce": "bounce"}


@dataclass(frozen=True, slots=True)
class EmailEvent:
    """An event of one message: sent, open, click, bounce, blocked, spam or unsub."""

    type: str
    message: Message
    #: The event's own fields beside the common ones.
    details: dict[str, Any] = field(default_factory=dict)
    state: MessageState | None = None
