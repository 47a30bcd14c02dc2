"""Devices from which a person has logged in: a signed cookie for each person, which lasts until the next password.

It lets nobody in. It only counts wrong passwords from there apart from those of strangers (throttle.py).
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jetbridge.control.people import User, plain_email
from jetbridge.spec.emails import spellings

LASTS = timedelta(days=365)


def remember(response: HttpResponseBase, user: User) -> None:
    """Make the browser that gets the response a known device of the user."""
    response.set_signed_cookie(
        _cookie(user),
        secrets.token_urlsafe(16),
        salt=_salt(user),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def known(request: HttpRequest, email: str) -> str:
    """Which known device of this account it is; "" for a stranger's."""
    user = User.objects.filter(email__in=spellings(plain_email(email))).order_by("id").first()
    if user is None:
        return ""
    return request.get_signed_cookie(_cookie(user), "", salt=_salt(user), max_age=LASTS) or ""


def _cookie(user: User) -> str:
    return f"{settings.COOKIE_PREFIX}jetbridge_device_{user.pk}"


def _salt(user: User) -> str:
    """Another one with every password: who knew the old one is a stranger again."""
    return f"jetbridge.device:{user.pk}:{user.get_session_auth_hash()}"
