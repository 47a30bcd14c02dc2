"""Why a message did not arrive: Mailjet's states, and what each relates to.

Numbers: mailjet-apiv3-nodejs, Message.ts. What they relate to: Event API guide, "Possible values for errors".
"""

from typing import Final, NamedTuple


class State(NamedTuple):
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
