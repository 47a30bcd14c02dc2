"""Login and logout. A session gets a new key at login; where it leads is a path of ours, or the home page."""

from typing import Any

from django import forms
from django.contrib import auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console import throttle
from jetbridge.control.people import User, plain_email


class LoginForm(forms.Form):
    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


@sensitive_post_parameters()
def log_in(request: HttpRequest) -> HttpResponse:
    leads_to = local_path(request.POST.get("next") or request.GET.get("next"))
    if request.user.is_authenticated:
        return redirect(leads_to)
    form = LoginForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "next": leads_to, "nobody_yet": not User.objects.exists()}
    if request.method != "POST" or not form.is_valid():
        return render(request, "console/entry/login.html", context)
    if sentence := _try(request, form.cleaned_data["email"], form.cleaned_data["password"]):
        form.add_error(None, sentence)
        return render(request, "console/entry/login.html", context, status=422)
    return redirect(leads_to)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("login")


def local_path(wanted: str | None) -> str:
    """The wanted address if it is a path of ours, else the home page."""
    ours = wanted and wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if wanted and ours else "/"


def enter_as(request: HttpRequest, user: User) -> None:
    """Give the session to this user. Sessions that have ended go."""
    auth.login(request, user)
    request.session.clear_expired()


def _try(request: HttpRequest, email: str, password: str) -> str:
    """Log in; "" or why not. The same sentence for a wrong password and an unknown email."""
    address = throttle.address_of(request)
    if minutes := throttle.wait_minutes(email, address):
        return f"Too many tries. Try again in {minutes} min."
    user = auth.authenticate(request, username=plain_email(email), password=password)
    if not isinstance(user, User):
        throttle.count(email, address)
        return "This email and password do not belong together."
    throttle.succeeded(email)
    enter_as(request, user)
    return ""
