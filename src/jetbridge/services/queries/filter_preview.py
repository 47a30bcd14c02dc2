"""A filter, tried on recent messages before it is saved: by the same routing that delivery asks."""

import dataclasses
import time
from collections.abc import Callable
from typing import NamedTuple

from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.integrations.filters import FILTERS
from jetbridge.routing import properties
from jetbridge.routing.filters import Filter, Filters, InvalidFilters
from jetbridge.routing.fql.nodes import marked
from jetbridge.routing.route import DESTINATION_FILTER_ERROR
from jetbridge.services import destination_settings
from jetbridge.services.log import event_log
from jetbridge.services.queries import sample_messages
from jetbridge.services.queries.sample_messages import SampleMessage

#: Recent messages that a filter is tried on, in how much time at the most, and how many of each outcome are shown.
TRIED, SECONDS, SHOWN = 200, 0.5, 5


class Example(NamedTuple):
    """A message that the filter does something with, and what."""

    sample: SampleMessage
    detail: str


@dataclasses.dataclass
class FilterPreview:
    """What a filter would have done with the recent messages that come to the destination otherwise.

    `dropped` it kept away, `failed` it could make no sense of (they are kept away, too), and of `changed` it took something.
    """

    total: int = 0
    dropped: list[Example] = dataclasses.field(default_factory=list)
    failed: list[Example] = dataclasses.field(default_factory=list)
    changed: list[Example] = dataclasses.field(default_factory=list)
    error: str = ""
    #: The line of the expression in which the error is: before the place, at it, behind it.
    marked: tuple[str, str, str] | None = None

    @property
    def shown(self) -> list[Example]:
        return (self.failed[:SHOWN] + self.dropped + self.changed)[:SHOWN]

    @classmethod
    def refused(cls, error: InvalidFilters) -> "FilterPreview":
        place = marked(error.expression, error.syntax) if error.syntax else None
        return cls(error=str(error.syntax or error), marked=place)


def preview_filter(
    row: Destination, draft: Filter, clock: Callable[[], float] = time.monotonic
) -> FilterPreview:
    """As if it was enabled, and the only one. Raises InvalidFilters."""
    filters = Filters([Filter(draft.name, draft.condition, draft.action)])
    integration, ref = destination_settings.integration_of(row), directory.destination(row.id)
    assert ref
    others = {name: value for name, value in ref.settings.items() if name != FILTERS.name}
    unfiltered = integration.route(dataclasses.replace(ref, settings=others))
    unfiltered.suppressed.refresh()
    route = dataclasses.replace(unfiltered, filters=filters)
    with event_log() as log:
        recent = sample_messages.recent(log, row, integration.accepts, TRIED)
    result, ends_at = FilterPreview(), clock() + SECONDS
    for sample in recent:
        source = sample.record.source
        if unfiltered.decide(sample.message, source).reason:
            continue
        result.total += 1
        reason, message, detail = route.decide(sample.message, source)
        if reason:
            kind = result.failed if reason == DESTINATION_FILTER_ERROR else result.dropped
            kind.append(Example(sample, detail if kind is result.failed else ""))
        elif paths := properties.taken(sample.message, message):
            result.changed.append(Example(sample, f"without {', '.join(paths[:SHOWN])}"))
        if clock() > ends_at:
            break
    return result
