"""Circuit breakers of contacts lists: whether calls for a list are made now, and if not, why and until when.

One key pair serves many lists, and one of them may be deleted, refuse everybody or never respond. Each list has
a circuit of its own, so that an error of one list does not stop the others: updates for the others are sent, and
the rest waits until the circuit closes.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from jetbridge.delivery.circuit_breaker import CircuitBreaker, CircuitOpen
from jetbridge.delivery.retry import Backoff, RetryDeadline
from jetbridge.errors import DeliveryError, PauseError, TransientError

#: How long a circuit stays open before the list is tried again.
PROBE_MS = 30_000
#: After so many failures in a row bodies become small ...
SMALL_FROM_TRIES = 3
#: ... of so many contacts, which are sent one by one; with each success four times as many.
FEWEST, GROWTH = 10, 4
#: Most contacts in a body. Found by trial: RudderStack chose 5,000; at 50,000 Mailjet hangs up
#: (mailjet-apiv3-nodejs#292).
MAX_CONTACTS = 5_000
#: Up to so many due contacts are sent one by one, without a job.
SINGLE_MAX = 10

#: Circuits that are kept in memory, besides those that are failing.
MAX_CIRCUITS = 1_000

#: Not a list: questions about a contact, and its leaving lists.
NO_LIST = 0


class ListGone(PauseError):
    """The list that a destination is set to is not there: that destination is held, no other."""


class ListCircuit:
    """Used by the reconcile thread of the account alone. Times in ms."""

    def __init__(
        self,
        list_id: int,
        now: Callable[[], int],
        retry_seconds: float,
        readers: Callable[["ListCircuit"], Collection[str]],
    ) -> None:
        self.list_id = list_id
        self.now = now
        self.backoff = Backoff()
        self.retry_deadline = RetryDeadline(retry_seconds, clock=lambda: now() / 1000)
        self._breaker = CircuitBreaker(lambda: readers(self))
        #: No call before then.
        self._until = 0
        #: What holds it, or is wrong with it for now.
        self.trouble: DeliveryError | None = None
        #: How many contacts a body may have for now.
        self.most = MAX_CONTACTS
        #: Contacts wait for it, far back; how many it calls up at once.
        self.has_queue = False
        self.requeue_size = FEWEST
        #: Destinations whose messages wait for it.
        self.destinations: set[int] = set()

    @property
    def is_open(self) -> bool:
        return self.now() < self._until

    def record_success(self, total: int = 1) -> None:
        """Mailjet has just taken so many."""
        self.record_response()
        self._breaker.record_success(total)
        self.trouble = None
        self.destinations.clear()

    def record_response(self) -> None:
        """Mailjet has taken something, or refused it for good."""
        self.backoff.reset()
        self.retry_deadline.answered()
        self.most = min(MAX_CONTACTS, self.most * GROWTH)
        self._until = 0
        if isinstance(self.trouble, TransientError):
            self.trouble = None

    def record_transient_failure(self, error: TransientError) -> None:
        """A call failed for now. A list that lets us wait again and again is asked seldom: others wait meanwhile."""
        wait = int(self.backoff.next_wait(error) * 1000)
        is_silent = error.code == "TIMEOUT" and self.backoff.tries > 1
        self._until = self.now() + (max(wait, PROBE_MS) if is_silent else wait)
        if self.backoff.tries >= SMALL_FROM_TRIES:
            self.most = FEWEST
        where = f" to the contacts list {self.list_id}" if self.list_id != NO_LIST else ""
        if self.retry_deadline.failed():
            self.trouble = self.retry_deadline.pause_error(error, where)
        elif not isinstance(self.trouble, PauseError):
            self.trouble = error

    def open(self, error: PauseError) -> None:
        """Open the circuit until somebody resets it, or a probe succeeds."""
        self.trouble, self._until, self.most = error, self.now() + PROBE_MS, FEWEST

    def record_rejection(self, error: DeliveryError, what: object) -> Collection[object] | None:
        """One was refused for good: `what` may fail. None; or, if it is the list and not the contact that is
        wrong, what was refused before: none of it is to fail.
        """
        self.record_response()
        try:
            self._breaker.record_rejection(error, what)
        except CircuitOpen as circuit_open:
            self.open(circuit_open)
            return circuit_open.earlier
        return None

    def reset(self) -> None:
        """Somebody wants it to be tried at once. Whose messages wait stays known: one of them may be the one released."""
        self.trouble, self._until = None, 0

    @property
    def is_idle(self) -> bool:
        return not (self.trouble or self.is_open or self.has_queue) and self.most == MAX_CONTACTS


@dataclass
class ListCircuits:
    """The circuits of one account, created on first use."""

    now: Callable[[], int]
    retry_seconds: float
    #: The readers of those destinations that have this list, or that wait for it.
    readers: Callable[[ListCircuit], Collection[str]]
    _circuits: dict[int, ListCircuit] = field(default_factory=dict)

    def __getitem__(self, list_id: int) -> ListCircuit:
        if list_id not in self._circuits:
            if len(self._circuits) >= MAX_CIRCUITS:  # calls may name any list
                self._circuits = {circuit.list_id: circuit for circuit in self if not circuit.is_idle}
            self._circuits[list_id] = ListCircuit(list_id, self.now, self.retry_seconds, self.readers)
        return self._circuits[list_id]

    def __iter__(self) -> Iterator[ListCircuit]:
        return iter(self._circuits.values())

    def open_lists(self) -> frozenset[int]:
        """Lists to which nothing is sent now."""
        return frozenset(circuit.list_id for circuit in self if circuit.is_open)

    def failing(self) -> list[ListCircuit]:
        return [circuit for circuit in self if circuit.trouble]
