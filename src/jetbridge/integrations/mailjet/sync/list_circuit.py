"""Lanes: whether a contacts list may be told anything now, and if not, why and until when.

One key pair serves many lists, and one of them may be deleted, refuse everybody or never answer. Each list has
a lane of its own, so that trouble with one is no trouble for the others: what a contact has to be told about
them is told, and the rest waits for the lane.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from jetbridge.delivery.breaker import Breaker, Tripped
from jetbridge.delivery.retry import Backoff, Patience
from jetbridge.errors import DeliveryError, PauseError, TransientError

#: How long a lane that is held waits before it tries again.
PROBE_MS = 30_000
#: After so many failures in a row bodies become small ...
SMALL_FROM_TRIES = 3
#: ... of so many contacts, which are told one by one; with each success four times as many.
FEWEST, GROWTH = 10, 4
#: Most contacts in a body. Found by trial: RudderStack settled on 5,000; at 50,000 Mailjet hangs up
#: (mailjet-apiv3-nodejs#292).
MAX_CONTACTS = 5_000
#: Up to so many due contacts are sent one by one, without a job.
SINGLE_MAX = 10

#: Lanes that are remembered, besides those in trouble.
MOST_LANES = 1_000

#: Not a list: questions about a contact, and its leaving lists.
NO_LIST = 0


class ListGone(PauseError):
    """The list that a destination is set to is not there: that destination is held, no other."""


class Lane:
    """Used by the reconcile thread of the account alone. Times in ms."""

    def __init__(
        self,
        list_id: int,
        now: Callable[[], int],
        retry_seconds: float,
        readers: Callable[["Lane"], Collection[str]],
    ) -> None:
        self.list_id = list_id
        self.now = now
        self.backoff = Backoff()
        self.patience = Patience(retry_seconds, clock=lambda: now() / 1000)
        self._breaker = Breaker(lambda: readers(self))
        #: Not told before then.
        self._until = 0
        #: What holds it, or is wrong with it for now.
        self.trouble: DeliveryError | None = None
        #: How many contacts a body may have for now.
        self.most = MAX_CONTACTS
        #: Contacts wait for it, far back; how many it calls up at once.
        self.has_queue = False
        self.calls = FEWEST
        #: Destinations whose messages wait for it.
        self.destinations: set[int] = set()

    @property
    def rests(self) -> bool:
        return self.now() < self._until

    def took(self, total: int = 1) -> None:
        """Mailjet has just taken so many."""
        self.answered()
        self._breaker.took(total)
        self.trouble = None
        self.destinations.clear()

    def answered(self) -> None:
        """Mailjet has taken something, or refused it for good."""
        self.backoff.reset()
        self.patience.answered()
        self.most = min(MAX_CONTACTS, self.most * GROWTH)
        self._until = 0
        if isinstance(self.trouble, TransientError):
            self.trouble = None

    def stumbled(self, error: TransientError) -> None:
        """A call failed for now. A list that lets us wait again and again is asked seldom: others wait meanwhile."""
        wait = int(self.backoff.next_wait(error) * 1000)
        is_silent = error.code == "TIMEOUT" and self.backoff.tries > 1
        self._until = self.now() + (max(wait, PROBE_MS) if is_silent else wait)
        if self.backoff.tries >= SMALL_FROM_TRIES:
            self.most = FEWEST
        where = f" to the contacts list {self.list_id}" if self.list_id != NO_LIST else ""
        if self.patience.failed():
            self.trouble = self.patience.pause_error(error, where)
        elif not isinstance(self.trouble, PauseError):
            self.trouble = error

    def stops(self, error: PauseError) -> None:
        """It is held."""
        self.trouble, self._until, self.most = error, self.now() + PROBE_MS, FEWEST

    def refused(self, error: DeliveryError, what: object) -> Collection[object] | None:
        """One was refused for good: `what` may fail. None; or, if it is the list and not the contact that is
        wrong, what was refused before: none of it is to fail.
        """
        self.answered()
        try:
            self._breaker.refused(error, what)
        except Tripped as tripped:
            self.stops(tripped)
            return tripped.earlier
        return None

    def wake(self) -> None:
        """Somebody wants it to be tried at once. Whose messages wait stays known: one of them may be the one released."""
        self.trouble, self._until = None, 0

    @property
    def is_idle(self) -> bool:
        return not (self.trouble or self.rests or self.has_queue) and self.most == MAX_CONTACTS


@dataclass
class Lanes:
    """The lanes of one account, made when they are asked for."""

    now: Callable[[], int]
    retry_seconds: float
    #: The readers of those destinations that have this list, or that wait for it.
    readers: Callable[[Lane], Collection[str]]
    _lanes: dict[int, Lane] = field(default_factory=dict)

    def __getitem__(self, list_id: int) -> Lane:
        if list_id not in self._lanes:
            if len(self._lanes) >= MOST_LANES:  # calls may name any list
                self._lanes = {lane.list_id: lane for lane in self if not lane.is_idle}
            self._lanes[list_id] = Lane(list_id, self.now, self.retry_seconds, self.readers)
        return self._lanes[list_id]

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def resting(self) -> frozenset[int]:
        """Lists that may not be told anything now."""
        return frozenset(lane.list_id for lane in self if lane.rests)

    def in_trouble(self) -> list[Lane]:
        return [lane for lane in self if lane.trouble]
