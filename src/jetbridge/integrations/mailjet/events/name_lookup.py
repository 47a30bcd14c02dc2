"""Subjects, campaign titles and list names, which Mailjet's events leave out and its API tells.

Names adorn events; they must not cost any. Look-ups have a small share of each batch's time, and answers are kept. One answer
about a campaign serves a million events, so these wait half a minute for one that does not come; then they go on without, and
nobody asks for a while.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.events import EmailEvent
from jetbridge.integrations.mailjet.events.track import Names
from jetbridge.spec.untrusted import whole_number

log = logging.getLogger(__name__)

#: What look-ups may add to the time of one batch.
BATCH_SECONDS = 0.5
#: How long events wait for the answer about a campaign or a list. Once, until Mailjet answers again.
WAIT_SECONDS = 30.0
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
        #: By kind: until when nobody asks.
        self._rest_until = dict.fromkeys(_Kind, float("-inf"))
        #: When the first answer did not come of those that events wait for; None once one has come.
        self._failing_since: float | None = None

    def fetch(self, events: Iterable[EmailEvent]) -> TransientError | None:
        """Ask Mailjet for names not known yet, as far as time allows. Blocks shortly, never raises.

        Returns the error for which the events should wait and be fetched for again; None: they go on.
        """
        deadline = self._clock() + BATCH_SECONDS
        for key in sorted({key for event in events for key in _keys(event)}):
            now = self._clock()
            if now >= deadline:
                break
            known = self._kept.get(key)
            if (known and known.until > now) or now < self._rest_until[key.kind]:
                continue
            if error := self._keep(key, now):
                if known is None and isinstance(error, TransientError) and self._is_worth_waiting(key, now):
                    return error
                self._rest_until[key.kind] = self._clock() + REST_SECONDS
                log.info("Email events go on without names for %.0f s: %s", REST_SECONDS, error)
        return None

    def _is_worth_waiting(self, key: _Key, now: float) -> bool:
        if key.kind is _Kind.MESSAGE:
            return False
        if self._failing_since is None:
            self._failing_since = now
        return now - self._failing_since < WAIT_SECONDS

    def of(self, event: EmailEvent) -> Names:
        """What is known, however old: a name of an hour ago is better than none."""
        subject = campaign = list_name = None
        for key in _keys(event):
            if answer := self._kept.get(key):
                names = answer.names
                subject, campaign = names.subject or subject, names.campaign or campaign
                list_name = names.list or list_name
        return Names(subject, campaign, list_name)

    def _keep(self, key: _Key, now: float) -> DeliveryError | None:
        """Ask, and keep the answer; the error if there is none."""
        try:
            names = _ASK[key.kind](self._client, key.id)
        except PermanentError:
            names = Names()
        except DeliveryError as error:
            return error
        self._failing_since = None
        self._kept[key] = _Answer(names, now + KEPT_SECONDS)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_ANSWERS:
            self._kept.popitem(last=False)
        return None


def _keys(event: EmailEvent) -> list[_Key]:
    """A message of a campaign has the campaign's subject: one call for a million events, not one for each."""
    kind, of = _Kind.CAMPAIGN, whole_number(event.mj_campaign_id)
    if not of:
        kind, of = _Kind.MESSAGE, whole_number(event.message_id)
    keys = [_Key(kind, of)] if of else []
    if list_id := whole_number(event.mj_list_id):
        keys.append(_Key(_Kind.LIST, list_id))
    return keys


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
