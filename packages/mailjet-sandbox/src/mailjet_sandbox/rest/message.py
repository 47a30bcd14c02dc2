"""message, messagehistory, messageinformation, messagestate, clickstatistics: sent emails and their events."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from mailjet_sandbox import clock, errors, wire
from mailjet_sandbox.body import as_id
from mailjet_sandbox.messagestates import PERMANENT, STATES, MessageState
from mailjet_sandbox.model import Message, MessageEvent
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.resource import Resource, by_id
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

    def _get(self, key: str, _query: Query) -> Response:
        """List what happened to a message; an unknown one has an empty history, not a 404 [R]."""
        message = self.find(key)
        return wire.envelope(
            [] if message is None else [_event_row(message, at) for at in range(len(message.history))]
        )


def _event_row(message: Message, index: int) -> Row:
    event = message.history[index]
    return {
        "Comment": event.comment,
        "EventAt": event.at,
        "EventType": event.type,
        "MessageState": event.state,
        "Useragent": event.agent,
        "UseragentID": 0,
    }


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
