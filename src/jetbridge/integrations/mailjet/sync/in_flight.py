"""How long messages have waited for their contacts to be acknowledged, and how long jobs have been open.

Looks at some contacts only: those that are due first, those that have been held back longest, and some of each open
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

#: Contacts that are looked at, of each kind.
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
    found: defaultdict[int, InFlight] = defaultdict(InFlight)
    for account in MailjetAccount.objects.values_list("id", flat=True):
        for after in (-1, now_ms() + FAR_MS):
            for destination, since in _waiting(queries.rows(WAITING, account, after, SAMPLE)).items():
                found[destination] = _earlier(found[destination], since)
        for job in Job.objects.filter(account_id=account, given_up_at=None).order_by("started_at"):
            for destination, since in _waiting(queries.rows(IN_JOB, account, job.job_id, SAMPLE)).items():
                known = _earlier(found[destination], since)
                found[destination] = replace(
                    known, jobs=known.jobs + 1, job_since=known.job_since or job.started_at
                )
    return found


def _waiting(rows: Iterable[tuple[bytes]]) -> dict[int, int]:
    """Since when (ms) the message that has waited longest waits, by destination; 0: not known."""
    found: dict[int, int] = {}
    for (text,) in rows:
        try:
            messages = pending.decode_pending(text)
        except (ValueError, *JSON_ERRORS):  # the contact has a light of its own once it is tried
            continue
        for destination, _, waiting in flatten(messages):
            known = found.get(destination, 0)
            found[destination] = (
                min(known, waiting.since) if known and waiting.since else known or waiting.since
            )
    return found


def _earlier(known: InFlight, since_ms: int) -> InFlight:
    if not since_ms:
        return known
    since = datetime.fromtimestamp(since_ms / 1000, UTC)
    return replace(known, since=min(known.since, since) if known.since else since)
