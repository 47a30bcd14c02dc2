"""FQL, Segment's Filter Query Language: text in, a function over messages out.

Source: Segment docs, "Destination Filter Query Language"; where they are silent, the evaluator that Segment ships in its
browser library (`tsub`). An expression is bounded in size and depth when it is read, so evaluating it takes time
in proportion to expression and message: no pattern backtracks.
"""

from functools import lru_cache

from jetbridge.routing.fql.compiler import Predicate, compile_expression
from jetbridge.routing.fql.errors import FQLEvaluationError, FQLSyntaxError
from jetbridge.routing.fql.limits import MOST_CHARACTERS
from jetbridge.routing.fql.nodes import Node
from jetbridge.routing.fql.printer import to_text

__all__ = [
    "MOST_CHARACTERS",
    "FQLEvaluationError",
    "FQLSyntaxError",
    "Node",
    "Predicate",
    "compile_expression",
    "parse",
    "to_text",
]


@lru_cache(64)
def parse(text: str) -> Node:
    """Raises FQLSyntaxError."""
    # Lark takes 8 MB and 30 ms. Most processes have no filter.
    from jetbridge.routing.fql.parser import parse_expression  # noqa: PLC0415

    return parse_expression(text)
