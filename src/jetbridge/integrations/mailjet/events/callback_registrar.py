"""Keeps the event callback URLs of one Mailjet account registered while the worker runs.

Mailjet suspends a URL that failed for a day, and people change registrations on Mailjet's pages. What was missed is noted (`missed`).
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

from jetbridge.control.directory import AccountRef
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import DeliveryError, TransientError
from jetbridge.eventlog.base import EventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.events import callbacks, missed

log = logging.getLogger(__name__)

CHECK_SECONDS = 20 * 60.0


class CallbackRegistrar:
    def __init__(
        self,
        client: MailjetClient,
        url: str,
        account: AccountRef,
        event_log: EventLog,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._url = url
        self._account = account
        self._event_log = event_log
        self._now = now
        self._backoff = Backoff(base_seconds=5.0)
        self._said: set[str] = set()

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            stop.wait(self.check())

    def check(self) -> float:
        """Look once; return the seconds until the next look. Says in the log what it has not said before."""
        try:
            states = callbacks.ensure(self._client, self._url)
            missed.note_states(self._account.id, states, self._now())
            ours = [row.event_type for row in states if row.ours]
            missed.look_at_messages(self._client, self._event_log, self._account, ours, self._now())
        except TransientError as error:
            return self._backoff.next_wait(error)
        except DeliveryError as error:
            self._say({str(error)})
            return CHECK_SECONDS
        self._backoff.reset()
        self._say({row.sentence for row in states if row.state != "unchanged"})
        return CHECK_SECONDS

    def _say(self, sentences: set[str]) -> None:
        for sentence in sorted(sentences - self._said):
            log.warning("Mailjet account %s: %s", self._account.name, sentence)
        self._said = sentences
