"""A forgotten password: a link by email, through which its owner chooses a new one.

The link is valid for one hour (PASSWORD_RESET_TIMEOUT), single use. It is derived from the person's password and last login, so a
new password and a login end it.
"""

import logging
from threading import Thread

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.auth import throttle
from jetbridge.console.auth.forms import (
    AddressField,
    RevokeTokensForm,
    changed_message,
    check_password,
    new_password,
)
from jetbridge.console.auth.login import enter_as
from jetbridge.control import mail, sessions
from jetbridge.control.audit import Actor
from jetbridge.control.people import User, plain_email
from jetbridge.errors import TransientError
from jetbridge.spec.emails import spellings

log = logging.getLogger(__name__)

_RESET_EMAIL = """Somebody, most likely you, requested a new password for {email} in Jetbridge.

Open this link to choose one. It is valid for one hour, single use:

{link}

If it was not you, do nothing: your password stays as it is.
"""


class EmailForm(forms.Form):
    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))


class NewPasswordForm(forms.Form):
    password = new_password("New password")

    def __init__(self, *args: object, user: User) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._user = user

    def clean(self) -> None:
        check_password(self, self._user)


def forgotten(request: HttpRequest) -> HttpResponse:
    """The response is the same whether or not somebody has this email. With `?sent=1` the page says that a link was sent."""
    form = EmailForm(request.POST or None)
    if request.method == "POST" and mail.is_configured() and form.is_valid():
        email, address = form.cleaned_data["email"], throttle.address_of(request)
        attempt = throttle.Attempt(throttle.LINKS, email, address, throttle.known_device(request, email))
        minutes = attempt.wait_minutes()
        if not minutes:
            send_link(email)
            return redirect(f"{reverse('password-forgotten')}?sent=1")
        form.add_error(None, f"Too many links were requested. Try again in {minutes} min.")
    context = {"form": form, "sends_mail": mail.is_configured(), "sent": "sent" in request.GET}
    status = 422 if form.errors else 200
    return render(request, "console/auth/password_forgotten.html", context, status=status)


@sensitive_post_parameters()
def choose(request: HttpRequest, user: int, proof: str) -> HttpResponse:
    person = person_of(user, proof)
    if person is None:
        return _link_expired(request)
    form = NewPasswordForm(request.POST or None, user=person)
    tokens_form = RevokeTokensForm(request.POST or None, person)
    if request.method != "POST" or not form.is_valid():
        context = {"form": form, "tokens_form": tokens_form, "person": person}
        return render(request, "console/auth/password_new.html", context, status=422 if form.errors else 200)
    # The transaction takes the write lock at once: of two requests with one link, one is first.
    with transaction.atomic():
        if person_of(person.id, proof) is None:
            return _link_expired(request)
        person.set_password(form.cleaned_data["password"])
        person.save(update_fields=["password"])
        add_audit_entries(person, "member.password-reset")
        sessions.end_others(person, None)
        revoked = tokens_form.apply()
    throttle.Attempt(throttle.LOGINS, person.email, "").succeeded()
    response = enter_as(request, person, redirect("home"))
    messages.success(request, changed_message(revoked))
    return response


def _link_expired(request: HttpRequest) -> HttpResponse:
    return render(request, "console/auth/password_link_gone.html", status=404)


def person_with(email: str) -> User | None:
    return User.objects.filter(email__in=spellings(plain_email(email)), is_active=True).first()


def link_for(user: User) -> str:
    path = reverse("password-new", args=[user.id, default_token_generator.make_token(user)])
    return f"{settings.CONFIG.public_url}{path}"


def person_of(user: int, proof: str) -> User | None:
    """Whom the link is for; None if it has expired or was used."""
    person = User.objects.filter(id=user, is_active=True).first()
    return person if default_token_generator.check_token(person, proof) else None


def send_link(email: str) -> Thread | None:
    """Email the link if somebody has this email. In a thread: the time that the page takes does not reveal it."""
    user = person_with(email)
    if user is None:
        return None
    text = _RESET_EMAIL.format(email=user.email, link=link_for(user))
    thread = Thread(target=_send, args=(user.email, text), name="password-link")
    thread.start()
    return thread


def _send(email: str, text: str) -> None:
    try:
        mail.send([email], "A new password for Jetbridge", text)
    except TransientError as error:
        log.error("A link to a new password was not sent: %s", error)  # noqa: TRY400 - it says all


def add_audit_entries(user: User, action: str, who: str = "") -> None:
    """Write an entry into the audit log of every workspace of the person. `who`: the command that did it for them."""
    for membership in user.memberships.select_related("workspace"):
        Actor(membership.workspace, None if who else user, who).audit(action, user)
