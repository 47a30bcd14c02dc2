"""One Mailjet account at work: its client, the types of its contact properties, and a circuit breaker for each contacts list.

One key pair serves many lists, and one of them may be deleted, reject every contact or never respond. Each list has
a circuit of its own, so that an error of one list does not stop the others: updates for the others are sent, and
the rest waits until the circuit closes.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jetbridge.control.directory import AccountRef
from jetbridge.control.models import Destination
from jetbridge.delivery.circuit_breaker import CircuitBreaker, CircuitOpen
from jetbridge.delivery.retry import Backoff, RetryDeadline
from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.errors import ListsRejected, NotFound
from jetbridge.integrations.mailjet.api.properties import MAX_PROPERTIES, datatype_of, is_empty
from jetbridge.integrations.mailjet.contacts import replaced_lists
from jetbridge.integrations.mailjet.contacts.pending import Pending

#: How long a circuit stays open before the list is tried again.
PROBE_MS = 30_000
#: After so many failures in a row bodies become small ...
SMALL_FROM_TRIES = 3
#: ... of so many contacts, which are sent one by one; with each success four times as many.
MIN_CONTACTS, GROWTH = 10, 4
#: Most contacts in a body. Found by trial: RudderStack chose 5,000; at 50,000 Mailjet hangs up
#: (mailjet-apiv3-nodejs#292).
MAX_CONTACTS = 5_000
#: Up to so many due contacts are sent one by one, without a job.
SINGLE_MAX = 10
#: Contacts that failed this often, or that a job rejected, are sent one by one: that response names the reason.
SINGLE_FROM_ATTEMPTS = 3
#: A job that was accepted, but whose number got lost, is given so long to end before its contacts are sent
#: again: else it could still write what is older. Users see jobs end within seconds (mailjet-apiv3-nodejs#292).
LOST_JOB_MS = 10_000
#: Circuits that are kept in memory, besides those that are failing.
MAX_CIRCUITS = 1_000

#: Not a list: requests about a contact, and its leaving lists.
NO_LIST = 0

PROPERTY_LIMIT_REACHED = (
    f"Mailjet does not create the property: an account has {MAX_PROPERTIES} contact properties at most. Send fewer traits (the "
    "Mapping blocks or lists them), or delete properties that nobody uses in Mailjet."
)
#: How old property types may be: somebody may change properties in Mailjet's own pages.
FRESH_SECONDS = 600.0


class ListGone(PauseError):
    """The list that a destination is set to is gone: that destination is paused, no other."""


class ListUnknown(PermanentError):
    """A list that a call named does not exist."""


class ListReplaced(TransientError):
    """A list is gone, and the destination of the messages that waited for it has another one."""


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
        self._open_until = 0
        #: Why it is paused, or what is retried.
        self.last_error: DeliveryError | None = None
        #: How many contacts a body may have at the moment.
        self.capacity = MAX_CONTACTS
        #: Whether contacts wait for it, and how many are requeued at once.
        self.has_queue = False
        self.requeue_size = MIN_CONTACTS
        #: Destinations whose messages wait for it.
        self.destinations: set[int] = set()

    @property
    def is_open(self) -> bool:
        return self.now() < self._open_until

    @property
    def is_idle(self) -> bool:
        return not (self.last_error or self.is_open or self.has_queue) and self.capacity == MAX_CONTACTS

    @property
    def waiting_error(self) -> DeliveryError | None:
        """The error as destinations with another list see it, whose messages name this one."""
        if self.last_error is None:
            return None
        kind = type(self.last_error) if isinstance(self.last_error, TransientError) else PauseError
        message = f"Messages for the contacts list {self.list_id} wait: {self.last_error}"
        return kind(self.last_error.code, message)

    def record_success(self, total: int = 1) -> None:
        """Mailjet has just accepted so many contacts."""
        self.record_response()
        self._breaker.record_success(total)
        self.last_error = None
        self.destinations.clear()

    def record_response(self) -> None:
        """Mailjet has accepted something, or rejected it permanently."""
        self.backoff.reset()
        self.retry_deadline.record_success()
        self.capacity = min(MAX_CONTACTS, self.capacity * GROWTH)
        self._open_until = 0
        if isinstance(self.last_error, TransientError):
            self.last_error = None

    def record_transient_failure(self, error: TransientError) -> None:
        """A list whose calls time out repeatedly is tried seldom: the others wait during each call."""
        wait = int(self.backoff.next_wait(error) * 1000)
        is_silent = error.code == "TIMEOUT" and self.backoff.tries > 1
        self._open_until = self.now() + (max(wait, PROBE_MS) if is_silent else wait)
        if self.backoff.tries >= SMALL_FROM_TRIES:
            self.capacity = MIN_CONTACTS
        where = f" to the contacts list {self.list_id}" if self.list_id != NO_LIST else ""
        if self.retry_deadline.failed():
            self.last_error = self.retry_deadline.pause_error(error, where)
        elif not isinstance(self.last_error, PauseError):
            self.last_error = error

    def record_rejection(self, error: DeliveryError, failure: object) -> Collection[object] | None:
        """Mailjet has rejected one contact permanently. None: it fails, and `failure` is kept of it. Or, if it is the list that is
        wrong, what was kept of earlier rejections: none of these contacts is to fail, this one included.
        """
        self.record_response()
        try:
            self._breaker.record_rejection(error, failure)
        except CircuitOpen as circuit_open:
            self.open(circuit_open)
            return circuit_open.earlier
        return None

    def open(self, error: PauseError) -> None:
        """Open the circuit until somebody resets it, or a probe succeeds."""
        self.last_error, self._open_until = error, self.now() + PROBE_MS
        self.capacity = MIN_CONTACTS

    def reset(self) -> None:
        """Try the list again at once. The destinations stay known: one of them may be the one that was resumed."""
        self.last_error, self._open_until = None, 0


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
        return [circuit for circuit in self if circuit.last_error]


class PropertyTypes:
    """The Datatypes of one account's contact properties. Used by one thread. Every method may call Mailjet and raise
    DeliveryError.

    Mailjet creates no property by itself on the JSON paths: a value for an unknown one is an error (guide
    "Contact properties"), so each is created before its first use, with the type of its first value. A `dry_run` creates
    nothing, and `planned` has what it would create.
    """

    def __init__(
        self, client: MailjetClient, clock: Callable[[], float] = time.monotonic, *, dry_run: bool = False
    ) -> None:
        self._client = client
        self._clock = clock
        self._dry_run = dry_run
        self._datatypes: dict[str, str] = {}
        self._read_at: float | None = None
        #: Datatypes of the properties that a dry run would create, by name.
        self.planned: dict[str, str] = {}
        #: Properties that Mailjet would not create, with its reason; tried again when types are read again.
        self.not_created: dict[str, str] = {}

    def for_values(
        self, values: Iterable[dict[str, Any]], *, fresh_seconds: float = FRESH_SECONDS
    ) -> dict[str, str]:
        """Datatypes that cover every name with a value; creates the missing properties.

        A name whose values are all empty is left out: there is nothing to clear in Mailjet. So is one
        that Mailjet does not create; `not_created` says why.
        """
        if self._read_at is None or self._clock() - self._read_at > fresh_seconds:
            self.refresh()
        missing = self.missing(values)
        if missing and self._dry_run:
            planned, no_room = self.fit_in(missing)
            self.planned |= planned
            self._datatypes |= planned
            self.not_created |= no_room
        elif missing:
            existed, rejected = False, {}
            for name in sorted(missing):
                try:
                    is_new = self._client.create_contactmetadata(name, missing[name])
                except PermanentError as error:
                    rejected[name] = f"Mailjet does not create the property: {error}"
                    continue
                if is_new:
                    self._datatypes[name] = missing[name]
                existed = existed or not is_new
            if existed or rejected:  # with a type that we do not know, or because of what others have created
                self._read()
            is_full = len(self._datatypes) >= MAX_PROPERTIES
            self.not_created |= dict.fromkeys(rejected, PROPERTY_LIMIT_REACHED) if is_full else rejected
        return self._datatypes

    def missing(self, values: Iterable[dict[str, Any]]) -> dict[str, str]:
        """What `for_values` would create: name -> Datatype. Makes no call."""
        datatypes = self._datatypes
        missing: dict[str, str] = {}
        for properties in values:
            if properties.keys() <= datatypes.keys():
                continue
            for name in properties.keys() - datatypes.keys() - missing.keys() - self.not_created.keys():
                if not is_empty(properties[name]):
                    missing[name] = datatype_of(properties[name])
        return missing

    def fit_in(self, missing: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Of what is `missing`, what Mailjet has room for, and the rest: name -> reason. Makes no call."""
        room = max(0, MAX_PROPERTIES - len(self._datatypes))
        names = sorted(missing)
        rest = dict.fromkeys(names[room:], PROPERTY_LIMIT_REACHED)
        return {name: missing[name] for name in names[:room]}, rest

    def refresh(self) -> None:
        self.not_created.clear()
        self._read()

    def _read(self) -> None:
        try:
            self._datatypes = self._client.contactmetadata()
        except PermanentError as error:  # no contact's fault
            raise PauseError(error.code, str(error), status=error.status, response=error.response) from error
        self._read_at = self._clock()


@dataclass
class Account:
    """Used by the reconcile thread of the account alone."""

    id: int
    client: MailjetClient
    types: PropertyTypes
    now: Callable[[], int]
    circuits: ListCircuits

    @classmethod
    def of(
        cls,
        ref: AccountRef,
        now: Callable[[], int],
        *,
        retry_seconds: float = RetryDeadline.limit_seconds,
        readers: Callable[[ListCircuit], Collection[str]] = lambda _: (),
    ) -> "Account":
        """`readers` names those that an open circuit pauses."""
        client = MailjetClient(ref.api_url, ref.api_key, ref.secret_key)
        return cls(ref.id, client, PropertyTypes(client), now, ListCircuits(now, retry_seconds, readers))

    def list_error(self, list_id: int, error: PermanentError, waiting: Iterable[Pending]) -> DeliveryError:
        """What the rejection of a call for a list means. If the list is gone: ListReplaced if destinations of the waiting messages have
        been given another one, ListGone if a destination is still set to it, else ListUnknown, so that the waiting messages fail and are
        seen.
        """
        if not isinstance(error, NotFound | ListsRejected):
            return error
        if replaced_lists.learn(self.id, list_id, waiting):
            return ListReplaced(
                error.code, "The messages go to the list that their destination is set to now."
            )
        if Destination.objects.filter(enabled=True, settings__listId=str(list_id)).exists():
            return ListGone(
                "LIST_NOT_FOUND",
                f"The contacts list {list_id} is not there any more. Choose another list, or restore it in Mailjet.",
                status=error.status,
                response=error.response,
            )
        return ListUnknown(
            "LIST_NOT_FOUND",
            f"Mailjet has no contacts list {list_id}, which the call was for.",
            status=error.status,
            response=error.response,
        )
