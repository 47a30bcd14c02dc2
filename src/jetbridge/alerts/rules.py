"""What makes an alert rule valid."""

from collections.abc import Iterator
from typing import NamedTuple

from jetbridge.control import mail
from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.errors import ConfigurationError
from jetbridge.http.addresses import address_problem
from jetbridge.spec.emails import normalise

#: Fields that a rule of each kind has, besides those of all.
OF_KIND = {
    AlertKind.STALL: ("destination",),
    AlertKind.PAUSE: ("destination",),
    AlertKind.FAILURES: ("destination", "percent", "minutes"),
    AlertKind.SILENCE: ("source", "minutes"),
}
OF_ALL = ("webhook_url", "emails", "owners", "enabled")

ADDRESSES = 10
_DAY = 24 * 60
#: How far a rule may look back, in minutes.
LONGEST = {AlertKind.FAILURES: _DAY, AlertKind.SILENCE: 7 * _DAY}


class Problem(NamedTuple):
    """`field` is "" where it is about the whole."""

    field: str
    message: str


def check(rule: AlertRule) -> None:
    """Raises ConfigurationError with the first problem."""
    for problem in problems(rule):
        raise ConfigurationError(problem.message)


def problems(rule: AlertRule) -> Iterator[Problem]:
    kind = AlertKind(rule.kind)
    fields = OF_KIND[kind]
    if "source" in fields and rule.source is None:
        yield Problem("source", "Choose a source.")
    if "minutes" in fields and not 1 <= rule.minutes <= LONGEST[kind]:
        yield Problem("minutes", f"Choose 1 to {LONGEST[kind]:,} minutes.")
    if "percent" in fields and not 0 <= rule.percent <= 99:
        yield Problem("percent", "Choose a limit below 100: more than all cannot fail.")
    if rule.webhook_url and (message := address_problem(rule.webhook_url, query=True)):
        yield Problem("webhook_url", message)
    addresses = rule.addresses
    if len(addresses) > ADDRESSES:
        yield Problem("emails", f"{len(addresses)} addresses are too many; {ADDRESSES} at most.")
    elif invalid := [address for address in addresses if normalise(address) is None]:
        yield Problem("emails", f"{invalid[0][:100]!r} is no email address.")
    elif addresses and not mail.is_configured():
        yield Problem("emails", "No mail server is configured: set JETBRIDGE_SMTP_URL first.")
    if not (rule.channels or rule.owners):
        yield Problem("", "Choose who is alerted: a webhook URL, an email address, or the owners.")
