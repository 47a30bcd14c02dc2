"""Login and logout. A session gets a new key at login. A login leads to a path of this Jetbridge, never to another host."""

from typing import Any

from django import forms
from django.contrib import auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.auth import throttle
from jetbridge.console.auth.forms import AddressField
from jetbridge.control.people import User, plain_email
from jetbridge.control.sessions import SessionStore


class LoginForm(forms.Form):
    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}))
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
        return render(request, "console/auth/login.html", context)
    email = form.cleaned_data["email"]
    attempt = throttle.Attempt(
        throttle.LOGINS, email, throttle.address_of(request), throttle.known_device(request, email)
    )
    if minutes := attempt.wait_minutes():
        form.add_error(None, f"Too many attempts. Try again in {minutes} min.")
        return render(request, "console/auth/login.html", context, status=422)
    user = auth.authenticate(request, username=plain_email(email), password=form.cleaned_data["password"])
    if not isinstance(user, User):  # the same message for a wrong password and an unknown email
        form.add_error(None, "Email or password is wrong.")
        return render(request, "console/auth/login.html", context, status=422)
    attempt.succeeded()
    return enter_as(request, user, redirect(leads_to))


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("login")


def local_path(url: str | None, default: str = "/") -> str:
    """The URL if it is a path of this Jetbridge, else the default."""
    is_local = url and url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)
    return url if url and is_local else default


def enter_as(request: HttpRequest, user: User, response: HttpResponse) -> HttpResponse:
    """Give the session to this user, and make the browser a known device. Delete expired sessions."""
    store: SessionStore = request.session  # type: ignore[assignment]
    store.see(request)
    auth.login(request, user)
    store.clear_expired()
    throttle.remember_device(response, user)
    return response
