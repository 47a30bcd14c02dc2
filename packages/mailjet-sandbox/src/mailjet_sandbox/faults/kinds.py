"""Every kind of fault as data: its fields, what they take, what they mean. Validation and documentation come from here."""

import re
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from mailjet_sandbox.errors import WRONG_TYPE

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Times = Annotated[int, Meta(ge=1)]
Status = Annotated[int, Meta(ge=400, le=599)]

#: Before: the request is not handled. After: it is, but the caller does not get the response.
When = Literal["before", "after"]

_METHODS = ("GET", "POST", "PUT", "DELETE", "*")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all faults have in common: how often, and from when to when. Times count from the moment it is set."""

    #: Whether it triggers together with others. Of those that do not, the first one triggers.
    cumulative: ClassVar[bool] = False

    rate: Annotated[Share, Meta(description="how often it triggers, as a share")] = 1.0
    from_seconds: Annotated[Seconds, Meta(description="begins so much later")] = 0.0
    for_seconds: Annotated[Seconds | None, Meta(description="ends so long after it began")] = None
    times: Annotated[Times | None, Meta(description="triggers at most so often")] = None


class WorkFault(Fault, frozen=True, kw_only=True):
    """Concerns API requests and the jobs that they submit."""

    endpoint: Annotated[
        str,
        Meta(
            description="faults of requests and jobs: a method (or none) and a path in Mailjet's words, `*` for anything"
        ),
    ] = "*"
    when: Annotated[
        When,
        Meta(description="the same: `before` the work is done, or `after`: done, but the response is lost"),
    ] = "before"

    def __post_init__(self) -> None:
        split_endpoint(self.endpoint)


class RequestFault(WorkFault, frozen=True, kw_only=True):
    """Concerns API requests."""


class JobFault(WorkFault, frozen=True, kw_only=True):
    """Concerns jobs. It triggers when a job is accepted, by the request that submitted it."""


class EventFault(Fault, frozen=True, kw_only=True):
    """Concerns events on their way to the callback URLs."""

    event: Annotated[
        Literal["*", "blocked", "bounce", "click", "open", "sent", "spam", "unsub"],
        Meta(description="faults of events: which type of event"),
    ] = "*"


class Latency(RequestFault, frozen=True, kw_only=True, tag="latency"):
    """The response takes longer."""

    cumulative = True

    seconds: Annotated[Seconds, Meta(description="how much longer")]
    to_seconds: Annotated[Seconds | None, Meta(description="a time between `seconds` and this")] = None


class Hang(RequestFault, frozen=True, kw_only=True, tag="hang"):
    """No response until the client disconnects or the fault ends; then the request is handled."""


class Reset(RequestFault, frozen=True, kw_only=True, tag="reset"):
    """The connection is reset (TCP RST) instead of a response."""


class ErrorStatus(RequestFault, frozen=True, kw_only=True, tag="status"):
    """An error status: 429, 5xx, wrong credentials (401, 403), or any other."""

    status: Annotated[Status, Meta(description="the status")]
    body: Annotated[
        Literal["mailjet", "json", "html", "empty"],
        Meta(description="`mailjet`: what Mailjet sends with this status (401 nothing, 429 HTML, else JSON)"),
    ] = "mailjet"
    message: Annotated[
        str, Meta(description="the ErrorMessage of a JSON body; by default one that fits the status")
    ] = ""
    identifier: Annotated[bool, Meta(description="a JSON body of a 5xx has an ErrorIdentifier")] = True
    retry_after: Annotated[
        Annotated[int, Meta(ge=0)] | str | None, Meta(description="the header Retry-After: seconds or a date")
    ] = None


class CorruptedResponse(RequestFault, frozen=True, kw_only=True, tag="corrupted_response"):
    """A successful status (200, or after the work the true one) with a body that cannot be read."""

    body: Annotated[
        Literal["html", "empty", "truncated", "cut"],
        Meta(
            description="`truncated`: half of the JSON, the HTTP around it whole; `cut`: the connection ends in its middle"
        ),
    ]


class JobStuck(JobFault, frozen=True, kw_only=True, tag="job_stuck"):
    """A job does not end until the fault does: `before`, it stays in Prepare; `after`, in Importing with all rows written."""

    cumulative = True

    seconds: Annotated[Seconds | None, Meta(description="or until it was stuck for so long")] = None


class JobError(JobFault, frozen=True, kw_only=True, tag="job_error"):
    """A job ends with a status other than Completed: `before`, no row was written; `after`, all were."""

    status: Annotated[Literal["Error", "Abort"], Meta(description="the status")] = "Error"
    message: Annotated[str, Meta(description="the job's Error")] = "Internal error"


class RowErrors(JobFault, frozen=True, kw_only=True, tag="row_errors"):
    """A job is Completed, but some rows are in its error file: `before`, they were not written; `after`, they were."""

    cumulative = True

    share: Annotated[Share, Meta(description="share of the rows")] = 0.1
    message: Annotated[str, Meta(description="what is wrong with them")] = WRONG_TYPE
    property: Annotated[
        str, Meta(description="the property to blame; the row's first if absent, the address if it has none")
    ] = ""


class LateProperties(Fault, frozen=True, kw_only=True, tag="late_properties"):
    """A new contact property is listed at once, but for a while no value can be written: Property not defined, Invalid key name."""

    seconds: Annotated[Seconds, Meta(description="for so long")]


class DuplicateEvents(EventFault, frozen=True, kw_only=True, tag="duplicate_events"):
    """An event is delivered more than once."""

    cumulative = True

    copies: Annotated[Times, Meta(description="how often more")] = 1
    seconds: Annotated[Seconds, Meta(description="how much later")] = 0.0


class ReorderedEvents(EventFault, frozen=True, kw_only=True, tag="reordered_events"):
    """An event is held back, so that later ones overtake it."""

    seconds: Annotated[Seconds, Meta(description="for so long")] = 1.0


class LostEvents(EventFault, frozen=True, kw_only=True, tag="lost_events"):
    """An event reaches no callback URL, now or later; in `/messagehistory` it is."""


class DeadCallback(EventFault, frozen=True, kw_only=True, tag="dead_callback"):
    """The callback URL that an event would go to is suspended (Status dead) and stays so until it gets a new Url. Triggers once, unless
    `times` is set.
    """

    cumulative = True

    times: Times | None = 1


def split_endpoint(pattern: str) -> tuple[str, str]:
    """Split an endpoint into method and path, each possibly ``*``. Raises ValueError with what is accepted."""
    method, separator, path = pattern.strip().rpartition(" ")
    method = method.strip().upper() if separator else "*"
    if method not in _METHODS:
        raise ValueError(f"endpoint {pattern!r}: the method is one of {', '.join(_METHODS)}")
    if not path or path.startswith("/") or re.match(r"v[\d.]+/", path.lower()):
        raise ValueError(
            f"endpoint {pattern!r}: the path is as in Mailjet's words, without slash, version, REST or DATA before it, "
            "e.g. POST contactslist/*/managemanycontacts"
        )
    return method, path.lower()


#: The one list of kinds. A new kind is a class above and a line here.
KINDS: dict[str, type[Fault]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        Latency,
        Hang,
        Reset,
        ErrorStatus,
        CorruptedResponse,
        JobStuck,
        JobError,
        RowErrors,
        LateProperties,
        DuplicateEvents,
        ReorderedEvents,
        LostEvents,
        DeadCallback,
    )
}

#: The groups of fields that kinds share.
SHARED: tuple[type[Fault], ...] = (Fault, WorkFault, EventFault)
