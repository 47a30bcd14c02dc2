"""Why a message did not arrive: Mailjet's table of states, shared by messages, events and ``/messagestate``."""

from typing import NamedTuple


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
