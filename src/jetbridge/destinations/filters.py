"""The setting `filters`, which every destination has: see `routing.filters`."""

from jetbridge.control.directory import DestinationRef
from jetbridge.destinations.field import Field
from jetbridge.errors import HoldError
from jetbridge.routing.filters import Filters, WrongFilters, parse


def _wrong(text: str) -> str:
    try:
        parse(text)
    except WrongFilters as error:
        return str(error)
    return ""


FILTERS = Field(
    "filters",
    "Filters",
    "Destination filters as JSON: a list of filters that each drop the messages their conditions describe.",
    required=False,
    multiline=True,
    group="Filters",
    wrong=_wrong,
)


def filters_of(ref: DestinationRef) -> Filters | None:
    """None without one that is enabled. Raises HoldError for what is no filter: better held than let through."""
    text = str(ref.settings.get(FILTERS.name) or "")
    try:
        return Filters(parse(text)) or None
    except WrongFilters as error:
        raise HoldError("INVALID_SETTINGS", f"{FILTERS.label}: {error}") from error
