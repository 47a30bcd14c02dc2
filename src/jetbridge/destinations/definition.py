"""What a destination declares about itself. Forms, validation, docs and routing are made from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.base import Destination
from jetbridge.delivery.threads import Runnable


@dataclass(frozen=True)
class Field:
    """One setting. Secret fields are stored encrypted and never shown."""

    name: str
    label: str
    help: str
    required: bool = True
    secret: bool = False
    default: str = ""


def _no_companions(_: DestinationRef) -> Mapping[str, tuple[object, Runnable]]:
    return {}


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
    #: Threads besides the consumer, by name. Two destinations may name the same one; it runs once.
    companions: Callable[[DestinationRef], Mapping[str, tuple[object, Runnable]]] = field(
        default=_no_companions
    )
    #: Sentences for `jetbridge status` about what arrived only in part.
    remarks: Callable[[DestinationRef], Sequence[str]] = field(default=_no_remarks)
