"""Keeps the event callback URLs of one Mailjet account registered while the worker runs.

Mailjet suspends a URL that failed for a day, and people change registrations on Mailjet's pages.
"""

import logging
from threading import Event

from jetbridge.delivery.retry import Backoff
from jetbridge.errors import DeliveryError, TransientError
from jetbridge.mailjet.client import MailjetClient
from jetbridge.sources.mailjet import callbacks

log = logging.getLogger(__name__)

CHECK_SECONDS = 20 * 60.0


class CallbackKeeper:
    def __init__(self, client: MailjetClient, url: str, account_name: str) -> None:
        self._client = client
        self._url = url
        self._account_name = account_name
        self._backoff = Backoff(base_seconds=5.0)
        self._said: set[str] = set()

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            stop.wait(self.check())

    def check(self) -> float:
        """Look once; return the seconds until the next look. Says in the log what it has not said before."""
        try:
            states = callbacks.ensure(self._client, self._url)
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
            log.warning("Mailjet account %s: %s", self._account_name, sentence)
        self._said = sentences
