"""No filter raises, whatever a message holds."""

from tests import makers as mk
from tests.fuzz import fuzz
from tests.routing.fql.expressions import PARSED, a_message, truth

from jetbridge.routing.filters import (
    AllowProperties,
    Drop,
    DropProperties,
    Filter,
    Filters,
    InvalidFilters,
    OnlySend,
    Sample,
)
from jetbridge.routing.fql.nodes import Node, to_text
from jetbridge.routing.route import Route
from jetbridge.spec.message import Message

FIELDS = {"traits": ["a", "x"], "context.consent": ["a"], "traits.a.b": ["and"], "properties.a.b.a": ["b"]}
ACTIONS = [
    Drop(),
    OnlySend(),
    Sample(0.5),
    Sample(0.5, "traits.a"),
    DropProperties(FIELDS),
    AllowProperties(FIELDS),
]


@fuzz(
    PARSED,
    filters=mk.lists(mk.tuples(truth, mk.sampled_from(ACTIONS)), least=1, most=3),
    messages=mk.lists(a_message, least=3, most=3),
    kind=mk.sampled_from(["http", "segment", "mailjet"]),
)
def test_no_filter_and_no_route_raises(
    filters: list[tuple[Node, Drop]], messages: list[Message], kind: str
) -> None:
    rows = [Filter(str(number), to_text(node), action) for number, (node, action) in enumerate(filters)]
    try:
        compiled = Filters(rows)
    except InvalidFilters:
        return
    route = Route(
        frozenset(),
        ("Mailjet",),
        {1: kind},
        filters=compiled,
        email_events=frozenset({"x"}),
        email_event_names={"x": "y"},
    )
    for number, message in enumerate(messages):
        route.decide(message, number)
