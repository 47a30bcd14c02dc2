"""The link through which a person chooses a new password: good for an hour (PASSWORD_RESET_TIMEOUT), and once.

It is made of the person's password and last login, so a new password, and a login, end it.
"""

import logging
from threading import Thread

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse

from jetbridge.control import mail
from jetbridge.control.audit import Actor
from jetbridge.control.people import User, plain_email
from jetbridge.errors import TransientError
from jetbridge.spec.emails import spellings

log = logging.getLogger(__name__)

_LETTER = """Somebody, most likely you, wants a new password for {email} in Jetbridge.

Open this link to choose one. It is valid for one hour, single use:

{link}

If it was not you, do nothing: nothing has changed.
"""


def person_with(email: str) -> User | None:
    return User.objects.filter(email__in=spellings(plain_email(email)), is_active=True).first()


def link_for(user: User) -> str:
    path = reverse("password-new", args=[user.id, default_token_generator.make_token(user)])
    return f"{settings.CONFIG.public_url}{path}"


def person_of(user: int, proof: str) -> User | None:
    """Whom the link is for; None if it is good no longer."""
    found = User.objects.filter(id=user, is_active=True).first()
    return found if default_token_generator.check_token(found, proof) else None


def send(email: str) -> Thread | None:
    """Mail the link in a thread, if somebody has this email: how long a page takes tells nobody whether."""
    user = person_with(email)
    if user is None:
        return None
    letter = _LETTER.format(email=user.email, link=link_for(user))
    thread = Thread(target=_send, args=(user.email, letter), name="password-link")
    thread.start()
    return thread


def note(user: User, action: str, who: str = "") -> None:
    """Write it into the audit log of every workspace that the person is a member of. `who`: the command that did it for them."""
    for membership in user.memberships.select_related("workspace"):
        Actor(membership.workspace, None if who else user, who).audit(action, user)


def _send(email: str, letter: str) -> None:
    try:
        mail.send([email], "A new password for Jetbridge", letter)
    except TransientError as error:
        log.error("A link to a new password was not sent: %s", error)  # noqa: TRY400 - it says all
