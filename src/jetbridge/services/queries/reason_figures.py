"""Why messages of a destination were filtered or failed: by reason, how many, the course, and an example."""

from dataclasses import dataclass

from django.db.models import Max

from jetbridge.control.models import Destination
from jetbridge.delivery import metrics
from jetbridge.delivery.base import FAILED, FILTERED
from jetbridge.delivery.models import DeliveryRecordRow, Outcome
from jetbridge.integrations import base, reasons
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.queries.destination_figures import Period


@dataclass(frozen=True)
class Reason:
    """`total` since the beginning, less what was tried again; `lately` in the period. `last`: the newest delivery record."""

    outcome: str
    code: str
    total: int
    lately: int
    course: list[int]
    last: DeliveryRecordRow | None
    meaning: base.Reason

    @property
    def message(self) -> str:
        """Of the newest one; of what is not kept one by one, what it means."""
        return self.last.detail if self.last else self.meaning.help


def reasons_of(row: Destination, period: Period) -> dict[str, list[Reason]]:
    """By outcome, the most first. Five queries."""
    totals = {
        (row.outcome, row.reason): row.total
        for row in Outcome.objects.filter(destination_id=row.id, outcome__in=(FILTERED, FAILED))
    }
    points = metrics.course(row.id, period.since, period.step)
    last = _last(row.id)
    integration = integration_of(row)
    lately = {key for point in points for key in point.reasons}
    shown = {key for key, total in totals.items() if total} | lately
    figures = [
        Reason(
            outcome=key[0],
            code=key[1],
            total=totals.get(key, 0),
            lately=sum(point.reasons[key] for point in points),
            course=[point.reasons[key] for point in points],
            last=last.get(key),
            meaning=reasons.reason(integration, *key),
        )
        for key in shown
    ]
    figures.sort(key=lambda row: (-row.total, -row.lately, row.code))
    return {of: [row for row in figures if row.outcome == of] for of in (FAILED, FILTERED)}


def _last(destination: int) -> dict[tuple[str, str], DeliveryRecordRow]:
    """The newest delivery record of each outcome and reason."""
    kept = DeliveryRecordRow.objects.filter(destination_id=destination)
    newest = kept.values_list("outcome", "reason").annotate(Max("id")).values_list("id__max", flat=True)
    return {(row.outcome, row.reason): row for row in DeliveryRecordRow.objects.filter(id__in=list(newest))}
