"""Values that Mailjet's Datatypes refuse, counted by property and reason."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from jetbridge.integrations.mailjet.contacts import queries


def report_rejected_values(account: int, refusals: Sequence[tuple[str, str, str]]) -> None:
    """Count values that Mailjet's Datatypes refuse: (property, sentence, email) each."""
    totals = Counter((name, sentence) for name, sentence, _ in refusals)
    last = {(name, sentence): email for name, sentence, email in refusals}
    now = datetime.now(UTC)
    queries.write(
        queries.COUNT_REJECTED_VALUES,
        [(account, *key, total, last[key], now) for key, total in totals.items()],
    )
