"""Guessing a password takes too long, and nobody's mailbox is filled with links.

Every try is counted in the database before anything is looked at, so that tries at the same time are counted one after
the other. Strangers are counted per account and per address. A device from which the account's owner has logged in
(devices.py) is counted by itself: strangers who use up the tries of an account do not shut its owner out.
"""

import hashlib
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from django.db import transaction
from django.db.models import Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jetbridge.control.people import LoginFailure, plain_email

WINDOW = timedelta(minutes=15)


class Limit(NamedTuple):
    """How many tries are too many within the window, for one account or one known device."""

    name: str
    tries: int


#: Logins; links to a new password that are asked for; the present password, where a new one is chosen.
LOGINS, LINKS, PASSWORDS = Limit("login", 10), Limit("link", 3), Limit("password", 10)
#: Of all of them together, of strangers at one address.
PER_ADDRESS = 50


class Attempt(NamedTuple):
    """`email` names the account, `device` a known device of it, or "". `address` is the client's."""

    limit: Limit
    email: str
    address: str
    device: str = ""

    @property
    def digest(self) -> str:
        """Of what it is counted under."""
        who = f"device {self.device}" if self.device else plain_email(self.email)
        return hashlib.sha256(f"{self.limit.name}:{who}".encode()).hexdigest()

    def wait_minutes(self) -> int:
        """0: it is counted, go ahead. Else for how long nothing more is looked at, in whole minutes."""
        group = "" if self.device else _group_of(self.address)
        with transaction.atomic():  # takes the write lock at once: of many tries, one counts at a time
            rows = LoginFailure.objects.filter(at__gt=timezone.now() - WINDOW)
            minutes = max(
                _wait(rows.filter(email_digest=self.digest), self.limit.tries),
                _wait(rows.filter(address=group), PER_ADDRESS) if group else 0,
            )
            if not minutes:
                LoginFailure.objects.filter(at__lt=timezone.now() - WINDOW).delete()
                LoginFailure.objects.create(email_digest=self.digest, address=group)
            return minutes

    def succeeded(self) -> None:
        """It was no guess: this one and those before are forgotten."""
        LoginFailure.objects.filter(email_digest=self.digest).delete()


def address_of(request: HttpRequest) -> str:
    """The client's address, as the trusted proxies report it: ingest has put it there."""
    address: str = request.META.get("REMOTE_ADDR") or ""
    return address


def _group_of(address: str) -> str:
    """Whoever has one address of IPv6 has all of its /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:45]
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), 64), strict=False))


def _wait(rows: QuerySet[LoginFailure], allowed: int) -> int:
    if rows.count() < allowed:
        return 0
    oldest = rows.order_by("-id")[:allowed].aggregate(at=Min("at"))["at"]
    return max(1, -int((timezone.now() - oldest - WINDOW) // timedelta(minutes=1)))
