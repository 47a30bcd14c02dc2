"""Audiences and computed traits to begin with."""

from collections.abc import Mapping
from typing import Final

_ORDER, _VIEW = "Order Completed", "Product Viewed"
#: Audiences to begin with: name, and definition.
EXAMPLES: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "ordered": ("Ordered in the last 30 days", {"event": "Order Completed", "within": "30d"}),
    "undecided": (
        "Viewed often but no order",
        {
            "all": [
                {"event": "Product Viewed", "count": [">=", 3], "within": "7d"},
                {"not": {"event": "Order Completed", "within": "7d"}},
            ]
        },
    ),
    "premium": (
        "Premium in the Alps",
        {
            "all": [
                {"trait": "plan", "op": "=", "value": "premium"},
                {"trait": "country", "op": "in", "value": ["AT", "CH"]},
            ]
        },
    ),
}
#: Computed traits to begin with: name, and definition.
RECIPES: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "lifetime-value": ("Lifetime value", {"computed": "sum", "event": _ORDER, "property": "total"}),
    "average-order": ("Average order value", {"computed": "avg", "event": _ORDER, "property": "total"}),
    "orders": ("Orders in 30 days", {"computed": "event_counter", "event": _ORDER, "within": "30d"}),
    "biggest-order": ("Biggest order", {"computed": "max", "event": _ORDER, "property": "total"}),
    "last-order": ("Last order date", {"computed": "last_seen", "event": _ORDER}),
    "last-order-value": ("Last order value", {"computed": "last", "event": _ORDER, "property": "total"}),
    "first-order": ("First order date", {"computed": "first_seen", "event": _ORDER}),
    "last-visit": ("Last visit date", {"computed": "last_seen", "event": "Page Viewed"}),
    "category": (
        "Favourite category",
        {"computed": "most_frequent", "event": _VIEW, "property": "category", "within": "90d"},
    ),
    "last-product": ("Last product viewed", {"computed": "last", "event": _VIEW, "property": "product_id"}),
    "brands": (
        "Brands viewed",
        {"computed": "unique_list", "event": _VIEW, "property": "brand", "within": "90d"},
    ),
    "brand-count": (
        "Number of brands viewed",
        {"computed": "unique_list_count", "event": _VIEW, "property": "brand", "within": "90d"},
    ),
    "visit": (
        "Products viewed in this visit",
        {"computed": "event_counter", "event": _VIEW, "session": "30m"},
    ),
}
