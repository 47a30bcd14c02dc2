"""Subjects, campaign titles and list names: Mailjet's events leave them out, and its API has them.

A track call is better with these names, and must not be lost for them. Look-ups have a small share of each batch's time, and their
results are cached. One look-up of a campaign serves a million events, so events wait up to half a minute for it when Mailjet does
not respond. Then they go on without names, and no look-up is made for a while.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
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
#: How long events wait for the names of a campaign or a list. Once, until Mailjet responds again.
WAIT_SECONDS = 30.0
#: How long no look-up of a kind is made after one that failed.
RETRY_SECONDS = 30.0
#: How long names are cached, "no such thing" included. Titles and list names can be changed.
CACHE_SECONDS = 900.0
#: Names that are cached, over all kinds.
CACHE_SIZE = 20_000


class _Kind(IntEnum):
    """In the order of look-ups: the names of a campaign serve most events, those of a message fewest."""

    CAMPAIGN = 1
    LIST = 2
    MESSAGE = 3


class _Key(NamedTuple):
    kind: _Kind
    id: int


class _CachedNames(NamedTuple):
    names: Names
    until: float


class NameLookup:
    """Used by one thread: `fetch` for a batch, then `of` for an event of it."""

    def __init__(self, client: MailjetClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._cache: OrderedDict[_Key, _CachedNames] = OrderedDict()
        #: By kind: until when no look-up is made.
        self._retry_at = dict.fromkeys(_Kind, float("-inf"))
        #: Since when look-ups of campaigns and lists fail; None: the last one succeeded.
        self._failing_since: float | None = None

    def fetch(self, events: Iterable[EmailEvent]) -> TransientError | None:
        """Fetch names that are not cached, as far as time allows. Blocks shortly, never raises.

        Returns the error for which the events should wait and be fetched for again; None: they go on.
        """
        deadline = self._clock() + BATCH_SECONDS
        for key in sorted({key for event in events for key in _keys(event)}):
            now = self._clock()
            if now >= deadline:
                break
            cached = self._cache.get(key)
            if (cached and cached.until > now) or now < self._retry_at[key.kind]:
                continue
            try:
                names = self._fetch_names(key)
            except DeliveryError as error:
                if cached is None and isinstance(error, TransientError) and key.kind is not _Kind.MESSAGE:
                    if self._failing_since is None:
                        self._failing_since = now
                    if now - self._failing_since < WAIT_SECONDS:
                        return error
                self._retry_at[key.kind] = self._clock() + RETRY_SECONDS
                log.info("Email events go on without names for %.0f s: %s", RETRY_SECONDS, error)
                continue
            self._failing_since = None
            self._cache[key] = _CachedNames(names, now + CACHE_SECONDS)
            self._cache.move_to_end(key)
            while len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return None

    def of(self, event: EmailEvent) -> Names:
        """What is cached, however old: a name of an hour ago is better than none."""
        subject = campaign = list_name = None
        for key in _keys(event):
            if cached := self._cache.get(key):
                names = cached.names
                subject, campaign = names.subject or subject, names.campaign or campaign
                list_name = names.list or list_name
        return Names(subject, campaign, list_name)

    def _fetch_names(self, key: _Key) -> Names:
        """Empty if Mailjet does not have it, or rejects the call. Raises TransientError or PauseError."""
        client = self._client
        with suppress(PermanentError):
            if key.kind is _Kind.LIST:
                contacts_list = client.contactslist(key.id)
                return Names(list=contacts_list.name) if contacts_list else Names()
            if key.kind is _Kind.MESSAGE:
                message = client.message(key.id)
                return Names(subject=message.subject) if message else Names()
            campaign = client.campaign(key.id)
            if campaign is None:
                return Names()
            if not campaign.news_letter_id:
                tag = campaign.custom_value
                return Names(campaign.subject, "" if tag.startswith("mj.nl=") else tag)
            title = None
            with suppress(PermanentError):
                draft = client.campaigndraft(campaign.news_letter_id)
                title = draft.title if draft else None
            return Names(campaign.subject, title)
        return Names()


def _keys(event: EmailEvent) -> list[_Key]:
    """A message of a campaign has the campaign's subject: one call for a million events instead of a million calls."""
    kind, id_ = _Kind.CAMPAIGN, whole_number(event.mj_campaign_id)
    if not id_:
        kind, id_ = _Kind.MESSAGE, whole_number(event.message_id)
    keys = [_Key(kind, id_)] if id_ else []
    if list_id := whole_number(event.mj_list_id):
        keys.append(_Key(_Kind.LIST, list_id))
    return keys
