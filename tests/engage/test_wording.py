"""Definitions in words."""

from typing import Any

import pytest

from jetbridge.engage.definition import parse_computed, parse_definition
from jetbridge.engage.wording import definition_text


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({"event": "Order Completed"}, "Order Completed at least once"),
        (
            {"event": "Order Completed", "count": [">=", 3], "within": "7d"},
            "Order Completed at least 3 times within 7 days",
        ),
        (
            {"event": "A", "count": ["<=", 1], "between": ["30d", "90d"]},
            "A at most once between 30 days and 90 days ago",
        ),
        ({"event": "A", "count": ["=", 0], "within": "90m"}, "A never within 90 minutes"),
        ({"event": "A", "count": ["=", 1_000], "within": "36h"}, "A exactly 1,000 times within 36 hours"),
        (
            {"event": "A", "where": [["total", ">=", 100], ["plan", "in", ["a", "b", "c", "d", "e", "f", "g"]]]},
            "A where total is at least 100 and plan is one of 'a', 'b', 'c', 'd', 'e' and 2 more at least once",
        ),
        (
            {"funnel": {"first": {"event": "A", "within": "7d"}, "then": {"event": "B"}, "within": "1h", "did": True}},
            "A within 7 days, then B within 1 hour",
        ),
        (
            {
                "funnel": {
                    "first": {"event": "A", "where": [["x", "exists"]]},
                    "then": {"event": "B", "where": [["y", "absent"]]},
                    "within": "30s",
                    "did": False,
                }
            },
            "A where x exists, then not B where y is missing within 30 seconds",
        ),
        ({"trait": "last_login", "op": "within_last", "value": "7d"}, "last_login is within the last 7 days"),
        ({"trait": "vip", "op": "=", "value": True}, "vip is true"),
        ({"audience": "rich"}, "is in the audience The Rich"),
        ({"audience": "poor"}, "is in the audience poor"),
        (
            {"all": [{"event": "A"}, {"not": {"any": [{"event": "B"}, {"event": "C"}]}}]},
            "A at least once and not (B at least once or C at least once)",
        ),
        (
            {"any": [{"all": [{"event": "A"}, {"event": "B"}]}, {"event": "C"}]},
            "(A at least once and B at least once) or C at least once",
        ),
        ({"any": []}, "nobody"),
    ],
)  # fmt: skip
def test_an_audience_in_words(definition: Any, text: str) -> None:
    assert definition_text(parse_definition(definition), {"rich": "The Rich"}) == text


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({"computed": "event_counter", "event": "A", "within": "30d"}, "number of A within 30 days"),
        (
            {"computed": "sum", "event": "A", "property": "total", "where": [["paid", "=", True]]},
            "sum of total of A where paid is true",
        ),
        ({"computed": "last", "event": "A", "property": "city"}, "last city of A"),
        ({"computed": "last_seen", "event": "A", "within": "30d"}, "date of the last A within 30 days"),
        (
            {"computed": "unique_list", "event": "A", "property": "sku", "session": "30m"},
            "unique values of sku of A in the present session (a pause of 30 minutes ends it)",
        ),
    ],
)
def test_a_computed_trait_in_words(definition: Any, text: str) -> None:
    assert definition_text(parse_computed(definition)) == text
