"""The Event Tester: a filter or a call, tried on a destination; and really sending the call."""

from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, example
from jetbridge.control.models import Destination, Source
from jetbridge.integrations import registry
from jetbridge.routing.filters import (
    MOST_OBJECTS,
    MOST_PROPERTIES,
    NAME_CHARACTERS,
    PATH_CHARACTERS,
    Filter,
    InvalidFilters,
    check,
)
from jetbridge.routing.fql.nodes import MOST_CHARACTERS
from jetbridge.services import event_tester
from jetbridge.services.queries import dry_run, filter_preview

router = ApiRouter(tags=["Mapping, filters, tests"])

#: A call as a library would send it.
Call = Annotated[
    dict[str, Any],
    example({"type": "identify", "userId": "u-1", "traits": {"email": "ada@example.com", "plan": "pro"}}),
]

#: Objects in a message, by path, and names in them.
Fields = Annotated[
    dict[str, Annotated[list[str], Field(max_length=MOST_PROPERTIES)]],
    Field(max_length=MOST_OBJECTS, examples=[{"traits": ["address"], "context.device": ["id"]}]),
]


class DropIn(InSchema):
    """They do not go there."""

    type: Literal["DROP"]


class OnlySendIn(InSchema):
    """They alone go there."""

    type: Literal["ONLY_SEND"]


class SampleIn(InSchema):
    """A share of them goes there: `percent` is from 0 to 1. With `path`, all messages with one value of the field stay together."""

    type: Literal["SAMPLE"]
    percent: Annotated[float, Field(ge=0, le=1, examples=[0.1])]
    path: Annotated[str, Field(max_length=PATH_CHARACTERS, examples=["userId"])] = ""


class DropPropertiesIn(InSchema):
    """They go there without these properties."""

    type: Literal["DROP_PROPERTIES"]
    fields: Fields


class AllowPropertiesIn(InSchema):
    """Of each of these objects, only these properties go there."""

    type: Literal["ALLOW_PROPERTIES"]
    fields: Fields


ActionIn = Annotated[
    DropIn | OnlySendIn | SampleIn | DropPropertiesIn | AllowPropertiesIn, Field(discriminator="type")
]


class FilterIn(InSchema):
    """`if` is an FQL expression; `action` is done with messages of which it is true."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS, examples=["No staff"])]
    condition: Annotated[
        str, Field(alias="if", max_length=MOST_CHARACTERS, examples=["match(traits.email, '*@example.com')"])
    ]
    action: ActionIn = DropIn(type="DROP")
    enabled: bool = True


class FilterTrialOut(OutSchema):
    """What the filter would have done with recent messages that come to the destination otherwise.

    `failed`: kept away because the expression makes no sense of them. `changed`: properties would be taken from them. `examples` are
    messageIds of those that it does something with.
    """

    looked_at: Annotated[int, example(200)]
    dropped: Annotated[int, example(3)]
    failed: Annotated[int, example(0)]
    changed: Annotated[int, example(0)]
    examples: Annotated[list[str], example(["ajs-42"])]


class CallIn(InSchema):
    """`call` is as a library would send it. `source` is one of the destination's, by id; absent: its first."""

    call: Call
    source: Id | None = None


class RoutingStepOut(OutSchema):
    """`passed` null: it was not reached."""

    title: Annotated[str, example("Call type")]
    passed: bool | None
    code: Annotated[str, example("")]
    message: Annotated[str, example("It takes identify calls.")]


class TestedCallOut(OutSchema):
    """`arrives`: routing lets it through. `receivers` are destinations, by id, that would get it if it was sent.

    `contact` is what kinds with contacts say of it: for Mailjet as in a preview; `request` is empty where it is not known beforehand. `warning`: what
    it does without.
    """

    arrives: bool
    problem: Annotated[str, example("")]
    warning: Annotated[str, example("")]
    steps: list[RoutingStepOut]
    contact: Annotated[
        dict[str, Any] | None, example({"outcome": "delivered", "email": "ada@example.com", "is_new": True})
    ]
    request: Annotated[str, example("POST /v3/REST/contactslist/10001/managecontact …")]
    receivers: Annotated[list[int], example([2])]


class SentCallOut(OutSchema):
    """`GET /trace` with this messageId shows what became of it."""

    message_id: Annotated[str, example("test-6f2d")]


class TestCallOut(OutSchema):
    """What came back of a test call, without secrets. `status` null: there was no response. `outcome` is what delivery would
    make of it, and `message` says why it is not delivered.
    """

    message_id: Annotated[str, example("test-0b6f5c7e-6f0f-4a56-9a39-6b8a4f1c2d3e")]
    outcome: Literal["delivered", "retried", "failed", "paused"]
    message: Annotated[str, example("")]
    status: Annotated[int | None, example(200)]
    headers: Annotated[dict[str, str], example({"Content-Type": "application/json"})]
    body: Annotated[str, example('{"ok": true}')]
    seconds: Annotated[float, example(0.042)]
    request: Annotated[str, example("POST example.com …")]


@router.post("/destinations/{int:destination}/filters/try", auth=editor, response=FilterTrialOut)
def try_filter(request: ApiRequest, destination: Id, body: FilterIn) -> FilterTrialOut:
    """What a filter would do with recent messages. Changes nothing."""
    row = request.auth.destination(destination)
    try:
        filter_ = msgspec.convert(body.model_dump(by_alias=True), Filter)
        check(filter_)
        preview = filter_preview.preview_filter(row, filter_)
    except (InvalidFilters, msgspec.ValidationError) as error:
        raise HTTPError(
            "INVALID_VALUE",
            str(error),
            fix="Correct the expression or the action; the docs have the language.",
        ) from None
    return FilterTrialOut(
        looked_at=preview.total,
        dropped=len(preview.dropped),
        failed=len(preview.failed),
        changed=len(preview.changed),
        examples=[example.sample.message.message_id for example in preview.shown],
    )


@router.post("/destinations/{int:destination}/test", auth=editor, response=TestedCallOut)
def test_call(request: ApiRequest, destination: Id, body: CallIn) -> TestedCallOut:
    """What would become of a call: routing, contact, request. Sends nothing."""
    row = request.auth.destination(destination)
    tested = dry_run.run(row, as_text(body.call), _source(row, body))
    return TestedCallOut(
        arrives=tested.arrives,
        problem=tested.problem,
        warning=tested.preview.warning,
        steps=[
            RoutingStepOut(title=step.title, passed=step.passed, code=step.code, message=step.detail)
            for step in tested.steps
        ],
        contact=registry.destination(row.kind).contact_preview(tested.preview),
        request=tested.preview.request,
        receivers=[ref.id for ref in tested.receivers],
    )


@router.post("/destinations/{int:destination}/test/call", auth=editor, response=TestCallOut)
def call_destination(request: ApiRequest, destination: Id, body: CallIn) -> TestCallOut:
    """Send a call to one destination alone, marked as a test, and see what comes back.

    Webhook and Segment have test calls. Up to 10 a minute.
    """
    row = request.auth.destination(destination)
    message = dry_run.message_of(as_text(body.call))
    message_id, exchange = event_tester.call(request.auth.actor, row, _source(row, body).id, message)
    return TestCallOut(
        message_id=message_id,
        outcome=exchange.outcome,
        message=exchange.message,
        status=exchange.status,
        headers=dict(exchange.headers),
        body=exchange.body,
        seconds=round(exchange.seconds, 3),
        request=exchange.request,
    )


@router.post("/destinations/{int:destination}/test/send", auth=editor, response={202: SentCallOut})
def send_test(request: ApiRequest, destination: Id, body: CallIn) -> SentCallOut:
    """Really send a call through its source, under a new messageId, to every destination that gets its messages."""
    row = request.auth.destination(destination)
    message_id, _ = event_tester.send(request.auth.actor, row, _source(row, body), as_text(body.call))
    return SentCallOut(message_id=message_id)


def _source(row: Destination, body: CallIn) -> Source:
    sources = [source for source in row.chosen_sources if body.source in {None, source.id}]
    if not sources:
        which = f"source {body.source}" if body.source else "source at all"
        raise HTTPError(
            "INVALID_VALUE",
            f"{row} has no {which}.",
            fix="Connect a source with it, or name one of its `sources`.",
        )
    return sources[0]


def as_text(call: dict[str, Any]) -> str:
    return msgspec.json.encode(call).decode()
