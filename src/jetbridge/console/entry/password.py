"""Who has forgotten the password asks for a link by mail, and chooses a new one through it."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console import devices, throttle
from jetbridge.console.address_field import AddressField
from jetbridge.console.entry import password_link
from jetbridge.console.entry.end_tokens import EndTokensForm, told
from jetbridge.console.entry.login import enter_as
from jetbridge.console.entry.password_field import check_password, new_password
from jetbridge.control import mail, sessions
from jetbridge.control.people import User


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
    """The answer is the same whether or not somebody has this email. `?sent=1` is what it leads to."""
    form = EmailForm(request.POST or None)
    if request.method == "POST" and mail.is_configured() and form.is_valid():
        sentence = _ask(request, form.cleaned_data["email"])
        if not sentence:
            return redirect(f"{reverse('password-forgotten')}?sent=1")
        form.add_error(None, sentence)
    context = {"form": form, "sends_mail": mail.is_configured(), "sent": "sent" in request.GET}
    status = 422 if form.errors else 200
    return render(request, "console/entry/password_forgotten.html", context, status=status)


def _ask(request: HttpRequest, email: str) -> str:
    """Have the link mailed; "" or why not."""
    address = throttle.address_of(request)
    attempt = throttle.Attempt(throttle.LINKS, email, address, devices.known(request, email))
    if minutes := attempt.wait_minutes():
        return f"Too many links were requested. Try again in {minutes} min."
    password_link.send(email)
    return ""


@sensitive_post_parameters()
def choose(request: HttpRequest, user: int, proof: str) -> HttpResponse:
    person = password_link.person_of(user, proof)
    if person is None:
        return _gone(request)
    form = NewPasswordForm(request.POST or None, user=person)
    tokens_form = EndTokensForm(request.POST or None, person)
    if request.method == "POST" and form.is_valid():
        return _change(request, person, proof, form.cleaned_data["password"], tokens_form)
    context = {"form": form, "tokens_form": tokens_form, "person": person}
    return render(request, "console/entry/password_new.html", context, status=422 if form.errors else 200)


def _change(
    request: HttpRequest, person: User, proof: str, password: str, tokens_form: EndTokensForm
) -> HttpResponse:
    with (
        transaction.atomic()
    ):  # takes the write lock at once: of two who press at the same time, one is first
        if password_link.person_of(person.id, proof) is None:
            return _gone(request)
        person.set_password(password)
        person.save(update_fields=["password"])
        password_link.note(person, "member.password-reset")
        sessions.end_others(person, None)
        revoked = tokens_form.apply()
    throttle.Attempt(throttle.LOGINS, person.email, "").succeeded()
    response = enter_as(request, person, redirect("home"))
    messages.success(request, told(revoked))
    return response


def _gone(request: HttpRequest) -> HttpResponse:
    return render(request, "console/entry/password_link_gone.html", status=404)
