"""The link that makes the first owner. It needs no file: whoever can read the home could make it."""

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from jetbridge.control.people import User


def is_open() -> bool:
    """Whether nobody owns this Jetbridge yet."""
    return not User.objects.exists()


def is_right(token: str) -> bool:
    return constant_time_compare(token, _token())


def first_run_link(address: str) -> str:
    """The link, under this address; "" once there is an owner."""
    return f"{address}/first-run/{_token()}" if is_open() else ""


def _token() -> str:
    return salted_hmac(
        "jetbridge.first-run", "owner", secret=settings.SECRET_KEY, algorithm="sha256"
    ).hexdigest()[:40]
