"""Every kind of fault as data: its fields, what they take, what they mean. Validation and documentation come from here."""

import re
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Times = Annotated[int, Meta(ge=1)]
Status = Annotated[int, Meta(ge=400, le=599)]

#: Whether a fault strikes before the work is done, so that it is not done, or after: done, but the caller does not learn of it.
When = Literal["before", "after"]

_METHODS = ("GET", "POST", "PUT", "DELETE", "*")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all faults have in common: how often, and from when to when. Times count from the moment it is set."""

    #: Whether it strikes beside others; of those that do not, the first one strikes alone.
    adds_up: ClassVar[bool] = False

    rate: Annotated[Share, Meta(description="share of the occasions at which it strikes")] = 1.0
    from_seconds: Annotated[Seconds, Meta(description="begins so much later")] = 0.0
    for_seconds: Annotated[Seconds | None, Meta(description="ends so long after it began")] = None
    times: Annotated[Times | None, Meta(description="strikes at most so often")] = None


class RequestFault(Fault, frozen=True, kw_only=True):
    """Strikes API requests."""

    endpoint: Annotated[
        str,
        Meta(
            description="which requests: a method (or none) and a path in Mailjet's words, `*` for anything"
        ),
    ] = "*"
    when: Annotated[
        When, Meta(description="`before` the work is done, or `after`: done, but the answer is lost")
    ] = "before"

    def __post_init__(self) -> None:
        split_endpoint(self.endpoint)


class Latency(RequestFault, frozen=True, kw_only=True, tag="latency"):
    """The answer takes longer."""

    adds_up = True

    seconds: Annotated[Seconds, Meta(description="how much longer")]
    to_seconds: Annotated[Seconds | None, Meta(description="a time between `seconds` and this")] = None


class Hang(RequestFault, frozen=True, kw_only=True, tag="hang"):
    """No answer until the client leaves or the fault ends; then the request goes its way."""


class Reset(RequestFault, frozen=True, kw_only=True, tag="reset"):
    """The connection is reset (TCP RST) instead of an answer."""


class Refusal(RequestFault, frozen=True, kw_only=True, tag="status"):
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


class Spoiled(RequestFault, frozen=True, kw_only=True, tag="spoiled"):
    """A status that says yes (200, or after the work the true one) with a body that cannot be read."""

    body: Annotated[
        Literal["html", "empty", "truncated", "cut"],
        Meta(
            description="`truncated`: half of the JSON, the HTTP around it whole; `cut`: the connection ends in its middle"
        ),
    ]


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
    str(kind.__struct_config__.tag): kind for kind in (Latency, Hang, Reset, Refusal, Spoiled)
}

#: The groups of fields that kinds share.
SHARED: tuple[type[Fault], ...] = (Fault, RequestFault)
