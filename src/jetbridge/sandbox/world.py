"""The parts of one running sandbox, as a request handler sees them."""

from dataclasses import dataclass, field

from jetbridge.sandbox.callbacks import Dispatcher
from jetbridge.sandbox.calls import Calls
from jetbridge.sandbox.jobs import JobRunner
from jetbridge.sandbox.query import Query
from jetbridge.sandbox.settings import Settings
from jetbridge.sandbox.store import Store


@dataclass
class World:
    settings: Settings
    store: Store
    jobs: JobRunner
    callbacks: Dispatcher
    calls: Calls


@dataclass(frozen=True)
class Call:
    """One API request: method, decoded path segments after ``/v3/REST``, query, body."""

    method: str
    segments: list[str]
    query: Query
    body: bytes = b""
    content_type: str = ""
    #: Where the caller reaches this sandbox, for addresses in answers.
    base_url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
