"""Subjects, campaign titles and list names, which Mailjet's events leave out and its API tells.

Names adorn events; they must not cost any. Look-ups have a small share of each batch's time, answers are
kept, and after trouble nobody asks for a while. An event whose names are not known goes on without them.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from jetbridge.errors import DeliveryError, PermanentError
from jetbridge.mailjet.client import MailjetClient
from jetbridge.mailjet.events import EmailEvent, Id, id_text
from jetbridge.sources.mailjet.track import Names

log = logging.getLogger(__name__)

#: What look-ups may add to the time of one batch.
BATCH_SECONDS = 0.5
#: How long nobody asks after an answer that did not come.
REST_SECONDS = 30.0
#: How long an answer is believed, "no such thing" included. Titles and list names can be changed.
KEPT_SECONDS = 900.0
#: Answers kept, over all kinds.
KEPT_ANSWERS = 20_000


class _Kind(IntEnum):
    """In the order of asking: the answer about a campaign serves most events, that about a message fewest."""

    CAMPAIGN = 1
    LIST = 2
    MESSAGE = 3


class _Key(NamedTuple):
    kind: _Kind
    id: int


class _Answer(NamedTuple):
    names: Names
    until: float


class NameLookup:
    """Used by one thread: `fetch` a batch, then ask `of` for each event of it."""

    def __init__(self, client: MailjetClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._kept: OrderedDict[_Key, _Answer] = OrderedDict()
        self._rest_until = float("-inf")

    def fetch(self, events: Iterable[EmailEvent]) -> None:
        """Ask Mailjet for names not known yet, as far as time allows. Blocks shortly, never raises."""
        deadline = self._clock() + BATCH_SECONDS
        for key in sorted({key for event in events for key in _keys(event)}):
            now = self._clock()
            if now >= deadline or now < self._rest_until:
                return
            known = self._kept.get(key)
            if known is None or known.until <= now:
                self._keep(key, now)

    def of(self, event: EmailEvent) -> Names:
        """What is known, however old: a name of an hour ago is better than none."""
        subject = campaign = list_name = None
        for key in _keys(event):
            if answer := self._kept.get(key):
                names = answer.names
                subject, campaign = names.subject or subject, names.campaign or campaign
                list_name = names.list or list_name
        return Names(subject, campaign, list_name)

    def _keep(self, key: _Key, now: float) -> None:
        try:
            names = _ASK[key.kind](self._client, key.id)
        except PermanentError:
            names = Names()
        except DeliveryError as error:
            log.info("Email events go on without names for %.0f s: %s", REST_SECONDS, error)
            self._rest_until = self._clock() + REST_SECONDS
            return
        self._kept[key] = _Answer(names, now + KEPT_SECONDS)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_ANSWERS:
            self._kept.popitem(last=False)


def _keys(event: EmailEvent) -> list[_Key]:
    """A message of a campaign has the campaign's subject: one call for a million events, not one for each."""
    kind, of = _Kind.CAMPAIGN, _number(event.mj_campaign_id)
    if not of:
        kind, of = _Kind.MESSAGE, _number(event.message_id)
    keys = [_Key(kind, of)] if of else []
    if list_id := _number(event.mj_list_id):
        keys.append(_Key(_Kind.LIST, list_id))
    return keys


def _number(value: Id) -> int:
    if isinstance(value, int):
        return value
    text = id_text(value)
    return int(text) if text and text.isdecimal() else 0


def _campaign(client: MailjetClient, campaign_id: int) -> Names:
    found = client.campaign(campaign_id)
    if found is None:
        return Names()
    if not found.news_letter_id:
        tag = "" if found.custom_value.startswith("mj.nl=") else found.custom_value
        return Names(subject=found.subject, campaign=tag)
    return Names(subject=found.subject, campaign=_title(client, found.news_letter_id))


def _title(client: MailjetClient, draft_id: int) -> str | None:
    try:
        draft = client.campaigndraft(draft_id)
    except PermanentError:
        return None
    return draft.title if draft else None


def _message(client: MailjetClient, message_id: int) -> Names:
    found = client.message(message_id)
    return Names(subject=found.subject) if found else Names()


def _list(client: MailjetClient, list_id: int) -> Names:
    found = client.contactslist(list_id)
    return Names(list=found.name) if found else Names()


_ASK: dict[_Kind, Callable[[MailjetClient, int], Names]] = {
    _Kind.CAMPAIGN: _campaign,
    _Kind.LIST: _list,
    _Kind.MESSAGE: _message,
}
