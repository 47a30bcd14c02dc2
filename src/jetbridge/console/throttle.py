"""Guessing a password takes too long, and nobody's mailbox is filled with links: both are counted per email and per
address, in the database.
"""

import hashlib
from datetime import timedelta
from ipaddress import ip_address
from typing import NamedTuple

from django.db.models import Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jetbridge.control.people import LoginFailure, plain_email

WINDOW = timedelta(minutes=15)


class Limit(NamedTuple):
    """How many in a window are too many for one email. No email begins with `prefix`."""

    prefix: str
    per_email: int


#: Logins that failed, and links to a new password that were asked for.
LOGINS, LINKS = Limit("", 10), Limit("link:", 3)
#: Of both together, from one address.
PER_ADDRESS = 50


def wait_minutes(email: str, address: str, limit: Limit = LOGINS) -> int:
    """For how long nothing more is looked at, in whole minutes; 0: go ahead."""
    rows = LoginFailure.objects.filter(at__gt=timezone.now() - WINDOW)
    return max(
        _wait(rows.filter(email_digest=_digest(email, limit)), limit.per_email),
        _wait(rows.filter(address=address), PER_ADDRESS),
    )


def count(email: str, address: str, limit: Limit = LOGINS) -> None:
    LoginFailure.objects.filter(at__lt=timezone.now() - WINDOW).delete()
    LoginFailure.objects.create(email_digest=_digest(email, limit), address=address)


def succeeded(email: str) -> None:
    """A login: those that failed before are forgotten."""
    LoginFailure.objects.filter(email_digest=_digest(email, LOGINS)).delete()


def address_of(request: HttpRequest) -> str:
    """Who asks. What a proxy says is believed of proxies on private networks only."""
    peer = request.META.get("REMOTE_ADDR") or ""
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    if told and _is_ip(told) and (not _is_ip(peer) or ip_address(peer).is_private):
        return told
    return peer[:45]


def _wait(rows: QuerySet[LoginFailure], allowed: int) -> int:
    if rows.count() < allowed:
        return 0
    oldest = rows.order_by("-id")[:allowed].aggregate(at=Min("at"))["at"]
    return max(1, -int((timezone.now() - oldest - WINDOW) // timedelta(minutes=1)))


def _digest(email: str, limit: Limit) -> str:
    return hashlib.sha256((limit.prefix + plain_email(email)).encode()).hexdigest()


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
