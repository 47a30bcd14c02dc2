"""statcounters: how many messages were sent, opened and so on, for a campaign, a list, a sender or the whole account.

Names of fields and parameters: [S] mailjet-apiv3-nodejs Statistic.ts. https://dev.mailjet.com/email/guides/statistics/
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from mailjet_sandbox import clock, errors
from mailjet_sandbox.messagestates import PERMANENT
from mailjet_sandbox.model import Message, MessageEvent
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.account import API_KEY_ID
from mailjet_sandbox.rest.resource import Resource
from mailjet_sandbox.wire import Row

#: Seconds of a timeslice by CounterResolution; None is all time. That the highest is ten minutes is not documented. [X]
_SECONDS = {"highest": 600, "hour": 3_600, "day": 86_400, "lifetime": None}
_SOURCES = ("apikey", "campaign", "list", "sender")
_TIMINGS = ("message", "event")

#: The counter of messages that an event adds to, and the counter of events if there is one.
_COUNTERS = {
    "sent": ("MessageSentCount", ""),
    "opened": ("MessageOpenedCount", "EventOpenedCount"),
    "clicked": ("MessageClickedCount", "EventClickedCount"),
    "spam": ("MessageSpamCount", "EventSpamCount"),
    "unsub": ("MessageUnsubscribedCount", "EventUnsubscribedCount"),
    "blocked": ("MessageBlockedCount", ""),
}
#: Sums of seconds: divided by the number of messages they are a mean delay.
_DELAYS = {"opened": "EventOpenDelay", "clicked": "EventClickDelay"}
_ZERO = dict.fromkeys(
    (
        *(name for names in _COUNTERS.values() for name in names if name),
        *_DELAYS.values(),
        "EventWorkflowExitedCount",
        "MessageDeferredCount",
        "MessageHardBouncedCount",
        "MessageQueuedCount",
        "MessageSoftBouncedCount",
        "MessageWorkFlowExitedCount",
        "Total",
    ),
    0,
)


class StatCounters(Resource[Row]):
    name = "statcounters"
    type_name = "StatCounter"

    def rows(self, query: Query) -> Iterable[Row]:
        """One row for each timeslice with messages or events, oldest first; one row for Lifetime."""
        source = _choice(query, "CounterSource", _SOURCES)
        by_event = _choice(query, "CounterTiming", _TIMINGS) == "event"
        seconds = _SECONDS[_choice(query, "CounterResolution", tuple(_SECONDS))]
        source_id = query.integer("SourceID")
        if source_id is None and source != "apikey":
            raise errors.invalid_property("SourceID", errors.REQUIRED)
        start, end = query.moment("FromTS"), query.moment("ToTS")
        slices: defaultdict[int, Row] = defaultdict(_ZERO.copy)
        if seconds is None:
            slices[0]  # An account without messages has a row of zeros. [X]
        for message in self._messages(source, source_id or 0):
            for at, counter in _counters(message, by_event=by_event):
                if (start is None or at >= start) and (end is None or at <= end):
                    slices[at // seconds * seconds if seconds else 0][counter[0]] += counter[1]
        identity = {"APIKeyID": API_KEY_ID, "SourceID": source_id or API_KEY_ID}
        return [{**slices[at], **identity, "Timeslice": clock.rfc3339(at)} for at in sorted(slices)]

    def _messages(self, source: str, source_id: int) -> Iterator[Message]:
        campaigns = self.store.campaigns
        belongs: Mapping[str, Callable[[Message], bool]] = {
            "apikey": lambda _: True,
            "campaign": lambda message: message.campaign_id == source_id,
            "list": lambda message: (
                message.campaign_id in campaigns and campaigns[message.campaign_id].list_id == source_id
            ),
            "sender": lambda _: source_id == 1,  # As every message has SenderID 1.
        }
        return filter(belongs[source], self.store.messages.values())

    def find(self, _key: str) -> Row | None:
        return None

    def render(self, row: Row, _query: Query) -> Row:
        return row


def _choice(query: Query, name: str, allowed: tuple[str, ...]) -> str:
    value = (query.text(name) or "").lower()
    if value not in allowed:
        raise errors.invalid_property(name, f"one of {', '.join(allowed)} is expected")  # [X]
    return value


def _counters(message: Message, *, by_event: bool) -> Iterator[tuple[int, tuple[str, int]]]:
    """Yield what a message adds to which counter, and when: at its arrival, or at the event."""
    yield message.arrived_at, ("Total", 1)
    if not message.history:
        yield message.arrived_at, ("MessageQueuedCount", 1)
    seen: set[str] = set()
    for event in message.history:
        at = event.at if by_event else message.arrived_at
        of_messages, of_events = _names(message, event)
        if of_events:
            yield at, (of_events, 1)
        if event.type not in seen:
            yield at, (of_messages, 1)
            if event.type in _DELAYS:
                yield at, (_DELAYS[event.type], event.at - message.arrived_at)
        seen.add(event.type)


def _names(message: Message, event: MessageEvent) -> tuple[str, str]:
    if event.type == "bounced":
        permanence = "Hard" if message.state_id in PERMANENT else "Soft"
        return f"Message{permanence}BouncedCount", ""
    return _COUNTERS[event.type]
