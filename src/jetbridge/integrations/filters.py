"""The setting `filters`, which every destination has: see `routing.filters`."""

from collections.abc import Mapping
from typing import Any

from jetbridge.errors import PauseError
from jetbridge.integrations.setting import Text
from jetbridge.routing.filters import Filters, InvalidFilters, parse_filters


def _error(text: str) -> str:
    try:
        parse_filters(text)
    except InvalidFilters as error:
        return str(error)
    return ""


FILTERS = Text(
    name="filters",
    label="Filters",
    help="Destination filters as JSON: a list of filters, each with an FQL expression and what is done with messages that fit it.",
    required=False,
    multiline=True,
    group="Filters",
    tab="destination-filters",
    error=_error,
)


def filters_of(settings: Mapping[str, Any]) -> Filters | None:
    """Of the settings of a destination; None without one that is enabled. Raises PauseError for what is no filter: better paused than let through."""
    text = str(settings.get(FILTERS.name) or "")
    try:
        return Filters(parse_filters(text)) or None
    except InvalidFilters as error:
        raise PauseError("INVALID_SETTINGS", f"{FILTERS.label}: {error}") from error
