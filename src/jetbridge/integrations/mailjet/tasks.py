"""The tasks of a Mailjet destination in the worker: plan, verify, repair."""

from collections.abc import Mapping
from typing import Any

from jetbridge.control.directory import AccountRef, DestinationRef
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.base import TaskType
from jetbridge.integrations.mailjet import settings
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.sync.plan import plan
from jetbridge.integrations.mailjet.sync.remote import Reads
from jetbridge.integrations.mailjet.verification.comparer import Difference
from jetbridge.integrations.mailjet.verification.verify import Verification
from jetbridge.jobs.tasks import Work

PLAN, VERIFY, REPAIR = "plan", "verify", "repair"

#: Differences that a result lists one by one.
SHOWN = 100


def make_plan(ref: DestinationRef, _: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    account = _account(ref)
    return plan(account.id, _client(account), on_contacts=work.advance).figures()


def verify(ref: DestinationRef, _: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    return _verify(ref, work, repair=False)


def repair(ref: DestinationRef, _: Mapping[str, Any], work: Work) -> Mapping[str, Any]:
    return _verify(ref, work, repair=True)


def _verify(ref: DestinationRef, work: Work, *, repair: bool) -> Mapping[str, Any]:
    account = _account(ref)
    shown: list[dict[str, str]] = []

    def show(difference: Difference) -> None:
        if len(shown) < SHOWN:
            shown.append(difference.as_object())

    verification = Verification(
        account.id,
        Reads(_client(account), on_rows=work.advance),
        repair=repair,
        show=show,
        expect=work.expect,
    )
    return {**verification.run().figures(), "shown": shown}


def _account(ref: DestinationRef) -> AccountRef:
    account = settings.account_behind(ref)
    if account is None:
        raise ConfigurationError("The Authentication key of the destination belongs to no app connection.")
    return account


def _client(account: AccountRef) -> MailjetClient:
    return MailjetClient(account.api_url, account.api_key, account.secret_key)


TASK_TYPES = (
    TaskType(PLAN, "Preview changes", "What would be sent to Mailjet now. Nothing is sent.", make_plan),
    TaskType(VERIFY, "Verify", "Compares contacts with what is in Mailjet.", verify),
    TaskType(REPAIR, "Repair", "Verifies, and has what differs sent again.", repair),
)
