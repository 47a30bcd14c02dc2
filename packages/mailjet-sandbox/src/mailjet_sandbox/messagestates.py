"""Why a message did not arrive: Mailjet's table of states, shared by messages, events and ``/messagestate``."""

from typing import NamedTuple


class State(NamedTuple):
    id: int
    related_to: str
    text: str


#: Identifiers [S, mailjet-apiv3-nodejs Message.ts]; what each relates to [D, Event API guide].
STATES = (
    State(1, "recipient", "user unknown"),
    State(2, "recipient", "mailbox inactive"),
    State(3, "recipient", "quota exceeded"),
    State(4, "domain", "invalid domain"),
    State(5, "domain", "no mail host"),
    State(6, "domain", "relay/access denied"),
    State(7, "spam", "sender blocked"),
    State(8, "spam", "content blocked"),
    State(9, "spam", "policy issue"),
    State(10, "system", "system issue"),
    State(11, "system", "protocol issue"),
    State(12, "system", "connection issue"),
    State(13, "domain", "greylisted"),
    State(14, "mailjet", "preblocked"),
    State(15, "mailjet", "duplicate in campaign"),
    State(16, "mailjet", "spam preblocked"),
    State(17, "content", "bad or empty template"),
    State(18, "content", "error in template language"),
    State(19, "domain", "typofix"),
    State(20, "recipient", "blacklisted"),
    State(21, "recipient", "spam reporter"),
)

_BY_TEXT = {state.text: state for state in STATES}

#: What a simulated bounce draws from: permanent ones, then those that pass.
HARD_BOUNCES = tuple(
    _BY_TEXT[text] for text in ("user unknown", "mailbox inactive", "invalid domain", "no mail host")
)
SOFT_BOUNCES = tuple(_BY_TEXT[text] for text in ("quota exceeded", "connection issue", "content blocked"))
BLOCKS = tuple(_BY_TEXT[text] for text in ("preblocked", "spam reporter", "duplicate in campaign"))

#: What the receiving server said, for the bounces above.
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
