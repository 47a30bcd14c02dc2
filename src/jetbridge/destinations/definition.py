"""What a destination declares about itself. Forms, validation, docs and routing are made from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.base import Destination
from jetbridge.delivery.erasure import Keeper
from jetbridge.delivery.suppression import WorkspaceSuppressed
from jetbridge.delivery.tasks import Work
from jetbridge.delivery.threads import Runnable
from jetbridge.delivery.trace import Traceable, Tracer
from jetbridge.destinations.contact_book import ContactBook
from jetbridge.destinations.field import Field
from jetbridge.destinations.filters import filters_of
from jetbridge.routing.route import Route
from jetbridge.spec.identity import Identity
from jetbridge.spec.message import Message

#: A task, done for one destination; see `tasks.Do`.
TaskOf = Callable[[DestinationRef, Mapping[str, Any], Work], Mapping[str, Any]]


def _no_companions(_: DestinationRef) -> Mapping[str, tuple[object, Runnable]]:
    return {}


def _no_keeper(_: DestinationRef) -> None:
    return None


def _nobody(_: DestinationRef, __: Identity) -> list[dict[str, Any]]:
    return []


def _no_tracer(_: DestinationRef) -> None:
    return None


def _no_contact_book(_: DestinationRef) -> None:
    return None


class Suggestion(NamedTuple):
    """A value that would fit; `label` says which it is."""

    field: str
    value: str
    label: str


class Confirmation(NamedTuple):
    """What settings mean on the other side. `fits` None: they may work, but a person should look again."""

    fits: bool | None
    sentence: str
    suggested: Sequence[Suggestion] = ()


def _unconfirmed(_: int, __: Mapping[str, str]) -> None:
    return None


def _all_email_events(_: DestinationRef) -> None:
    return None


def _no_request(_: DestinationRef, __: Message) -> str:
    return ""


def _no_remarks(_: DestinationRef) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Definition:
    """`names` are what the destination answers to in the integrations object, the first its own."""

    kind: str
    names: tuple[str, ...]
    description: str
    accepts: frozenset[str]
    fields: tuple[Field, ...]
    #: Make the destination. Raises HoldError when its settings lead nowhere.
    open: Callable[[DestinationRef], Destination]
    #: The request that a call alone would be, without secrets, for a person to read; "" if it is no single one.
    request: Callable[[DestinationRef, Message], str] = field(default=_no_request)
    #: Look up what settings of a workspace mean; None while there is nothing to look up. May ask the other side.
    confirm: Callable[[int, Mapping[str, str]], Confirmation | None] = field(default=_unconfirmed)
    #: Threads besides the consumer, by name. Two destinations may name the same one; it runs once.
    companions: Callable[[DestinationRef], Mapping[str, tuple[object, Runnable]]] = field(
        default=_no_companions
    )
    #: The email events of Mailjet that its settings let through, by name; None: all.
    email_events: Callable[[DestinationRef], frozenset[str] | None] = field(default=_all_email_events)
    #: Sentences for `jetbridge status` about what arrived only in part.
    remarks: Callable[[DestinationRef], Sequence[str]] = field(default=_no_remarks)

    def problems(self, values: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with settings and secrets together: a sentence by field name."""
        known = {each.name: each for each in self.fields}
        found = {name: each.problem(values.get(name, "")) for name, each in known.items()}
        found |= {
            name: f"It is no setting of {self.names[0]}; there are {', '.join(known)}."
            for name in values.keys() - known.keys()
        }
        return {name: sentence for name, sentence in found.items() if sentence}

    #: What it knows of people, to be erased; None if its settings lead nowhere.
    keeper: Callable[[DestinationRef], Keeper | None] = field(default=_no_keeper)
    #: What it remembers of messages; None if it delivers what it takes.
    tracer: Callable[[DestinationRef], Tracer | None] = field(default=_no_tracer)
    #: What it holds of a person, as plain values.
    person: Callable[[DestinationRef, Identity], list[dict[str, Any]]] = field(default=_nobody)

    #: Its contacts, to be looked through; None if its settings lead nowhere, or it keeps none.
    contact_book: Callable[[DestinationRef], ContactBook | None] = field(default=_no_contact_book)
    #: What it can be asked to do, by the task's kind.
    tasks: Mapping[str, TaskOf] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name on pages."""
        return self.kind.capitalize()

    @property
    def confirms(self) -> bool:
        return self.confirm is not _unconfirmed

    @property
    def has_contacts(self) -> bool:
        return self.contact_book is not _no_contact_book

    def route(self, ref: DestinationRef) -> Route:
        """Raises HoldError if its filters cannot be read."""
        suppressed = WorkspaceSuppressed(ref.workspace)
        filters, events = filters_of(ref), self.email_events(ref)
        return Route(self.accepts, self.names, ref.source_kinds, suppressed, filters, events)

    def traceable(self, ref: DestinationRef) -> Traceable:
        """The destination, ready to tell what became of messages. Reads what it needs to know for that."""
        return Traceable(ref.id, ref.name, self.accepts, self.route(ref), self.tracer(ref))
