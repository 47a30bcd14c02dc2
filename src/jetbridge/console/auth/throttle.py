"""Limits how often somebody may try a password or request a link to a new one.

Every attempt is counted in the database before anything is checked, so attempts at the same time are counted one after the
other. Strangers are counted per account and per address. A known device, from which the account's owner has logged in, is
counted by itself: strangers who use up the attempts of an account do not lock its owner out.

A known device has a signed cookie for each person, which is valid until the next password. It lets nobody in.
"""

import hashlib
import secrets
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Min, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from jetbridge.control.people import LoginFailure, User, plain_email
from jetbridge.spec.emails import spellings

WINDOW = timedelta(minutes=15)
#: How long a browser stays a known device.
DEVICE_AGE = timedelta(days=365)


class Limit(NamedTuple):
    """How many attempts within the window are allowed to one account or one known device."""

    name: str
    tries: int


#: Logins; requested links to a new password; the present password, where a new one is chosen.
LOGINS, LINKS, PASSWORDS = Limit("login", 10), Limit("link", 3), Limit("password", 10)
#: Of all three together, for strangers at one address.
PER_ADDRESS = 50


class Attempt(NamedTuple):
    """`email` names the account, `device` a known device of it, or "". `address` is the client's."""

    limit: Limit
    email: str
    address: str
    device: str = ""

    @property
    def digest(self) -> str:
        """What the attempt is counted under."""
        who = f"device {self.device}" if self.device else plain_email(self.email)
        return hashlib.sha256(f"{self.limit.name}:{who}".encode()).hexdigest()

    def wait_minutes(self) -> int:
        """Count the attempt and return 0, or return for how many minutes no attempt is allowed."""
        group = "" if self.device else _network_of(self.address)
        with transaction.atomic():  # takes the write lock at once: attempts are counted one at a time
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
        """It was no guess: forget this attempt and those before it."""
        LoginFailure.objects.filter(email_digest=self.digest).delete()


def address_of(request: HttpRequest) -> str:
    """The client's address, as trusted proxies report it; the first middleware of the server has put it there."""
    address: str = request.META.get("REMOTE_ADDR") or ""
    return address


def _network_of(address: str) -> str:
    """The address, or its /64 in IPv6: whoever has one address of a /64 has all of them."""
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


def remember_device(response: HttpResponseBase, user: User) -> None:
    """Make the browser that gets the response a known device of the user."""
    response.set_signed_cookie(
        _cookie(user),
        secrets.token_urlsafe(16),
        salt=_salt(user),
        max_age=DEVICE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def known_device(request: HttpRequest, email: str) -> str:
    """The known device of this account that sent the request; "" for a stranger's."""
    user = User.objects.filter(email__in=spellings(plain_email(email))).order_by("id").first()
    if user is None:
        return ""
    return request.get_signed_cookie(_cookie(user), "", salt=_salt(user), max_age=DEVICE_AGE) or ""


def _cookie(user: User) -> str:
    return f"{settings.COOKIE_PREFIX}jetbridge_device_{user.pk}"


def _salt(user: User) -> str:
    """Changes with every password: whoever knew the old one is a stranger again."""
    return f"jetbridge.device:{user.pk}:{user.get_session_auth_hash()}"
