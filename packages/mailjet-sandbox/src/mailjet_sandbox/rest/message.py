"""message and its kin, campaign, campaigndraft, statcounters: sent emails, their events, and sums of them.

statcounters: names of fields and parameters by [S] mailjet-apiv3-nodejs Statistic.ts. https://dev.mailjet.com/email/guides/statistics/
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from mailjet_sandbox import clock, errors, wire
from mailjet_sandbox.events import PERMANENT, STATES, MessageState
from mailjet_sandbox.model import Campaign, Message, MessageEvent
from mailjet_sandbox.requests import Query, as_id
from mailjet_sandbox.rest.resource import API_KEY_ID, Resource, by_id
from mailjet_sandbox.wire import Row

#: The numbers of the MessageStatus filter. [S] mailjet-apiv3-nodejs
_STATUSES = ("queued", "sent", "opened", "clicked", "bounce", "spam", "unsub", "blocked")


class Messages(Resource[Message]):
    name = "message"
    type_name = "Message"

    def rows(self, _query: Query) -> Iterable[Message]:
        return self.store.messages.values()

    def find(self, key: str) -> Message | None:
        if as_id(key) is None:
            raise errors.bad_id()
        return by_id(self.store.messages, key)

    def predicates(self, query: Query) -> Iterator[Callable[[Message], bool]]:
        if (campaign := query.integer("Campaign")) is not None:
            yield lambda row: row.campaign_id == campaign
        if (contact_id := query.integer("Contact")) is not None:
            yield lambda row: row.contact_id == contact_id
        if (email := query.text("ContactAlt")) is not None:
            contact = self.store.contact_by_email(email)
            yield lambda row: contact is not None and row.contact_id == contact.id
        if (custom_id := query.text("CustomID")) is not None:
            yield lambda row: row.custom_id == custom_id
        if (status := query.integer("MessageStatus")) is not None:
            yield lambda row: row.status in _STATUSES[status : status + 1]
        yield from time_predicates(query, lambda row: row.arrived_at)

    def sort_keys(self) -> Mapping[str, Callable[[Message], Any]]:
        return {"ID": lambda row: row.id, "ArrivedAt": lambda row: row.arrived_at}

    def render(self, row: Message, query: Query) -> Row:
        """Subject, ContactAlt and CustomID stay empty unless asked for [D]."""
        contact = self.store.contacts.get(row.contact_id)
        rendered = {
            "ArrivedAt": clock.rfc3339(row.arrived_at),
            "AttachmentCount": 0,
            "AttemptCount": 0,
            "ContactAlt": contact.email if contact and query.flag("ShowContactAlt") else "",
            "ContactID": row.contact_id,
            "CustomID": row.custom_id if query.flag("ShowCustomID") else "",
            "Delay": 0,
            "DestinationID": 1,
            "FilterTime": 0,
            "ID": row.id,
            "IsClickTracked": True,
            "IsHTMLPartIncluded": True,
            "IsOpenTracked": True,
            "IsTextPartIncluded": True,
            "IsUnsubTracked": bool(row.campaign_id),
            "MessageSize": 1024,
            "SenderID": 1,
            "SpamassassinScore": 0,
            "SpamassRules": "",
            "StatePermanent": row.state_id in PERMANENT,
            "Status": row.status,
            "Subject": row.subject if query.flag("ShowSubject") else "",
            "UUID": row.uuid,
        }
        if row.campaign_id:
            rendered["CampaignID"] = row.campaign_id
        if row.state_id:
            rendered["StateID"] = row.state_id
        return rendered


def time_predicates(query: Query, moment: Callable[[Any], int]) -> Iterator[Callable[[Any], bool]]:
    """Yield FromTS, which is exclusive [3P: tap-mailjet], and ToTS."""
    if (start := query.moment("FromTS")) is not None:
        yield lambda row: moment(row) > start
    if (end := query.moment("ToTS")) is not None:
        yield lambda row: moment(row) <= end


class MessageHistory(Messages):
    name = "messagehistory"
    type_name = "MessageHistory"

    def get(self, key: str, _query: Query) -> Response:
        """List what happened to a message; an unknown one has an empty history, not a 404 [R]."""
        message = self.find(key)
        events = message.history if message else []
        return wire.envelope(
            [
                {
                    "Comment": event.comment,
                    "EventAt": event.at,
                    "EventType": event.type,
                    "MessageState": event.state,
                    "Useragent": event.agent,
                    "UseragentID": 0,
                }
                for event in events
            ]
        )


class MessageInformation(Messages):
    name = "messageinformation"
    type_name = "MessageInformation"

    def render(self, row: Message, _query: Query) -> Row:
        events = [event.type for event in row.history]
        return {
            "CampaignID": row.campaign_id,
            "ClickTrackedCount": events.count("clicked"),
            "ContactID": row.contact_id,
            "CreatedAt": clock.rfc3339(row.arrived_at),
            "ID": row.id,
            "MessageSize": 1024,
            "OpenTrackedCount": events.count("opened"),
            "QueuedCount": int(not events),
            "SendEndAt": clock.rfc3339(row.arrived_at),
            "SentCount": events.count("sent"),
            "SpamAssassinRules": {"ALT": "", "ID": -1},
            "SpamAssassinScore": 0,
        }


class Click(NamedTuple):
    """A click, and its place among all clicks."""

    id: int
    message: Message
    event: MessageEvent


class ClickStatistics(Resource[Click]):
    """Which link was clicked when: the history of a message does not. Shape and filters: [S] mailjet-apiv3-nodejs
    MessageEvent.ts; the samples of the documentation write ClickedAt without a zone.
    """

    name = "clickstatistics"
    type_name = "ClickStatistics"

    def rows(self, query: Query) -> Iterator[Click]:
        messages: Iterable[Message] = self.store.messages.values()
        if (message_id := query.integer("MessageID")) is not None:
            one = self.store.messages.get(message_id)
            messages = [one] if one else []
        for message in messages:
            for index, event in enumerate(message.history):
                if event.type == "clicked":
                    yield Click(message.id * 100 % 2**53 + index, message, event)

    def find(self, key: str) -> Click | None:
        return next((row for row in self.rows(Query(b"")) if str(row.id) == key), None)

    def predicates(self, query: Query) -> Iterator[Callable[[Click], bool]]:
        if (campaign := query.integer("CampaignID")) is not None:
            yield lambda row: row.message.campaign_id == campaign
        yield from time_predicates(query, lambda row: row.message.arrived_at)

    def render(self, row: Click, _query: Query) -> Row:
        return {
            "ClickedAt": clock.rfc3339(row.event.at).removesuffix("Z"),
            "ClickedDelay": row.event.at - row.message.arrived_at,
            "ContactID": row.message.contact_id,
            "ID": row.id,
            "MessageID": row.message.id,
            "Url": row.event.url,
            "UserAgentID": 0,
        }


class MessageStates(Resource[MessageState]):
    name = "messagestate"
    type_name = "MessageState"

    def rows(self, _query: Query) -> Iterable[MessageState]:
        return STATES

    def find(self, key: str) -> MessageState | None:
        return next((state for state in STATES if str(state.id) == key), None)

    def predicates(self, query: Query) -> Iterator[Callable[[MessageState], bool]]:
        if (related_to := query.text("RelatedTo")) is not None:
            yield lambda row: row.related_to == related_to

    def render(self, row: MessageState, _query: Query) -> Row:
        return {"ID": row.id, "RelatedTo": row.related_to, "MessageState": row.text}


_DAY = 86_400


class Campaigns(Resource[Campaign]):
    name = "campaign"
    type_name = "Campaign"

    def rows(self, query: Query) -> Iterable[Campaign]:
        """Without FromTS only today's campaigns are listed [I, airbyte#24570]."""
        today = self.store.now() // _DAY * _DAY
        everything = query.moment("FromTS") is not None
        return [row for row in self.store.campaigns.values() if everything or row.created_at >= today]

    def find(self, key: str) -> Campaign | None:
        campaigns = self.store.campaigns
        by_value = (row for row in campaigns.values() if row.custom_value and row.custom_value == key)
        return by_id(campaigns, key) or next(by_value, None)

    def predicates(self, query: Query) -> Iterator[Callable[[Campaign], bool]]:
        if (list_id := query.integer("ContactsListID")) is not None:
            yield lambda row: row.list_id == list_id
        if (kind := query.integer("FromType")) is not None:
            yield lambda row: row.campaign_type == kind
        if (custom := query.text("CustomCampaign")) is not None:
            yield lambda row: row.custom_value == custom
        yield from time_predicates(query, lambda row: row.created_at)

    def sort_keys(self) -> Mapping[str, Callable[[Campaign], Any]]:
        return {"ID": lambda row: row.id}

    def render(self, row: Campaign, _query: Query) -> Row:
        return {
            "CampaignType": row.campaign_type,
            "ClickTracked": 1,
            "CreatedAt": clock.rfc3339(row.created_at),
            "CustomValue": row.custom_value,
            "FirstMessageID": row.first_message_id,
            "FromEmail": row.from_email,
            "FromID": 1,
            "FromName": row.from_name,
            "HasHtmlCount": 1,
            "HasTxtCount": 1,
            "ID": row.id,
            "IsDeleted": False,
            "IsStarred": False,
            "ListID": row.list_id,
            "NewsLetterID": row.newsletter_id,
            "OpenTracked": 1,
            "SendEndAt": clock.rfc3339(row.created_at),
            "SendStartAt": clock.rfc3339(row.created_at),
            "SpamassScore": 0,
            "Status": 2,
            "Subject": row.subject,
            "UnsubscribeTrackedCount": 1,
        }


class CampaignDrafts(Resource[Campaign]):
    name = "campaigndraft"
    type_name = "CampaignDraft"

    def rows(self, _query: Query) -> Iterable[Campaign]:
        return [row for row in self.store.campaigns.values() if row.newsletter_id]

    def find(self, key: str) -> Campaign | None:
        return next((row for row in self.rows(Query(b"")) if str(row.newsletter_id) == key), None)

    def render(self, row: Campaign, _query: Query) -> Row:
        return {
            "ContactsListID": row.list_id,
            "CreatedAt": clock.rfc3339(row.created_at),
            "DeliveredAt": clock.rfc3339(row.created_at),
            "ID": row.newsletter_id,
            "Locale": "en_US",
            "ModifiedAt": clock.rfc3339(row.created_at),
            "SenderEmail": row.from_email,
            "SenderName": row.from_name,
            "Status": 2,
            "Subject": row.subject,
            "Title": row.title,
            "Url": "",
        }


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
        if event.type == "bounced":
            permanence = "Hard" if message.state_id in PERMANENT else "Soft"
            of_messages, of_events = f"Message{permanence}BouncedCount", ""
        else:
            of_messages, of_events = _COUNTERS[event.type]
        if of_events:
            yield at, (of_events, 1)
        if event.type not in seen:
            yield at, (of_messages, 1)
            if event.type in _DELAYS:
                yield at, (_DELAYS[event.type], event.at - message.arrived_at)
        seen.add(event.type)
