"""How long messages have waited for their contacts to be acknowledged, and how long jobs have been open.

Reads a sample of contacts only: those that are due first, those that have been postponed longest, and some of each open
job. The oldest message is among them, or not much older.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.base import InFlight
from jetbridge.integrations.mailjet.contacts import pending, queries
from jetbridge.integrations.mailjet.contacts.contact import FAR_MS, now_ms
from jetbridge.integrations.mailjet.contacts.pending import flatten
from jetbridge.integrations.mailjet.models import Job
from jetbridge.spec.untrusted import JSON_ERRORS

#: Contacts that are read, of each kind.
SAMPLE = 200

WAITING = """
SELECT pending FROM mailjet_contact
WHERE account_id = %s AND next_attempt_at > %s AND pending IS NOT NULL ORDER BY next_attempt_at LIMIT %s
"""
IN_JOB = """
SELECT pending FROM mailjet_contact
WHERE account_id = %s AND job_id = %s AND pending IS NOT NULL LIMIT %s
"""


def in_flight() -> Mapping[int, InFlight]:
    """By destination. Four queries for each account, and one for each open job, of which there are few."""
    figures: defaultdict[int, InFlight] = defaultdict(InFlight)
    for account in MailjetAccount.objects.values_list("id", flat=True):
        for after in (-1, now_ms() + FAR_MS):
            for destination, since in _waiting_since(queries.rows(WAITING, account, after, SAMPLE)).items():
                figures[destination] = _with_earlier(figures[destination], since)
        for job in Job.objects.filter(account_id=account, given_up_at=None).order_by("started_at"):
            rows = queries.rows(IN_JOB, account, job.job_id, SAMPLE)
            for destination, since in _waiting_since(rows).items():
                known = _with_earlier(figures[destination], since)
                figures[destination] = replace(
                    known, jobs=known.jobs + 1, job_since=known.job_since or job.started_at
                )
    return figures


def _waiting_since(rows: Iterable[tuple[bytes]]) -> dict[int, int]:
    """Since when (ms) the message that has waited longest waits, by destination; 0: not known."""
    earliest: dict[int, int] = {}
    for (row,) in rows:
        try:
            messages = pending.decode_pending(row)
        except (ValueError, *JSON_ERRORS):  # the contact is reported once it is tried
            continue
        for destination, _, waiting in flatten(messages):
            known = earliest.get(destination, 0)
            earliest[destination] = min(known or waiting.since, waiting.since or known)
    return earliest


def _with_earlier(known: InFlight, since_ms: int) -> InFlight:
    if not since_ms:
        return known
    since = datetime.fromtimestamp(since_ms / 1000, UTC)
    return replace(known, since=min(known.since, since) if known.since else since)
