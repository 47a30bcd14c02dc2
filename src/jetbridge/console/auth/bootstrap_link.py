"""The link that creates the first owner. It needs no file: whoever can read the home could compute it."""

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from jetbridge.control.people import User


def is_open() -> bool:
    """Whether nobody owns this Jetbridge yet."""
    return not User.objects.exists()


def is_valid(token: str) -> bool:
    return constant_time_compare(token, _token())


def first_run_link(base_url: str) -> str:
    """The link below this URL; "" once there is an owner."""
    return f"{base_url}/first-run/{_token()}" if is_open() else ""


def _token() -> str:
    return salted_hmac(
        "jetbridge.first-run", "owner", secret=settings.SECRET_KEY, algorithm="sha256"
    ).hexdigest()[:40]
