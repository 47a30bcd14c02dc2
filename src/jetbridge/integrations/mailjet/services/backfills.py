"""Backfills: Mailjet's message history, read for email events that callbacks have missed."""

from datetime import datetime

from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import MailjetAccount
from jetbridge.integrations.mailjet import contacts_lists
from jetbridge.integrations.mailjet.events import backfill
from jetbridge.integrations.mailjet.events.backfill import Estimate
from jetbridge.integrations.mailjet.models import Backfill
from jetbridge.services.log import event_log


def estimate(
    account: MailjetAccount, since: datetime | None = None, until: datetime | None = None
) -> Estimate:
    """What it would cost. Asks Mailjet for a number. Raises DeliveryError, or ConfigurationError for a time that cannot be."""
    with event_log() as log:
        return backfill.estimate(contacts_lists.client_of(account), log, since, until)


def start(
    actor: Actor, account: MailjetAccount, since: datetime | None = None, until: datetime | None = None
) -> Backfill:
    """Have the worker do it. Raises as `estimate` does, and ConflictError while one of the account runs."""
    plan = estimate(account, since, until)
    with transaction.atomic():
        row = backfill.start(account, plan)
        times = {name: getattr(plan, name).isoformat(timespec="seconds") for name in ("since", "until")}
        actor.audit(
            "account.backfill-started", account, {"backfill": row.id, "messages": row.messages, **times}
        )
    return row


def cancel(actor: Actor, account: MailjetAccount, row: Backfill) -> bool:
    """It reads no further, and what it has added stays. False if it had ended."""
    with transaction.atomic():
        cancelled = backfill.cancel(row)
        if cancelled:
            actor.audit("account.backfill-cancelled", account, {"backfill": row.id})
    return cancelled
