"""A person's own name, password and sessions. People of every role may change theirs."""

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.auth import throttle
from jetbridge.console.auth.forms import RevokeTokensForm, changed_message
from jetbridge.control import sessions
from jetbridge.control.people import Role, User
from jetbridge.text import pluralize

#: Part of a User-Agent -> name of the browser. The first one that matches counts: most contain the names of others, too.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


class NameForm(forms.Form):
    name = forms.CharField(
        label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class PasswordForm(PasswordChangeForm):
    def __init__(self, user: User, data: QueryDict | None) -> None:
        super().__init__(user, data)
        self.fields["old_password"].widget.attrs.pop("autofocus")  # it is not what the page is opened for


@sensitive_post_parameters()
@workspace_view(change=Role.VIEWER)
def profile(request: MemberRequest) -> HttpResponse:
    """Three forms on one page; `form` says which one was sent."""
    sent = request.POST.get("form") if request.method == "POST" else None
    data = request.POST
    if sent == "sessions":
        return _end_sessions(request, data.get("session", ""))
    name = NameForm(data if sent == "name" else None, initial={"name": request.user.name})
    password = PasswordForm(request.user, data if sent == "password" else None)
    tokens = RevokeTokensForm(data if sent == "password" else None, request.user)
    if sent == "name" and name.is_valid():
        User.objects.filter(id=request.user.id).update(name=name.cleaned_data["name"])
        messages.success(request, "Your name was saved.")
        return redirect("profile", request.workspace.id)
    if sent == "password":
        attempt = throttle.Attempt(throttle.PASSWORDS, request.user.email, throttle.address_of(request))
        if minutes := attempt.wait_minutes():
            password = PasswordForm(request.user, None)
            messages.error(
                request, f"Too many attempts. The password was not checked. Try again in {minutes} min."
            )
        elif password.is_valid():
            revoked = _change_password(request, password, tokens)
            attempt.succeeded()
            messages.success(request, changed_message(revoked))
            response = redirect("profile", request.workspace.id)
            throttle.remember_device(response, request.user)
            return response
        elif "old_password" not in password.errors:
            attempt.succeeded()  # only the new password was rejected: that is no guess
    status = 422 if sent else 200
    here = request.session.session_key
    context = {
        "name_form": name,
        "password_form": password,
        "tokens_form": tokens,
        "sessions": [
            {
                "row": row,
                "reference": sessions.reference(row),
                "browser": browser_of(row.user_agent),
                "is_this": row.session_key == here,
            }
            for row in sessions.sessions_of(request.user)
        ],
    }
    return render(request, "console/settings/profile.html", context, status=status)


def _change_password(request: MemberRequest, form: PasswordForm, tokens: RevokeTokensForm) -> int:
    """Other sessions of the user end, this one stays. The number of API tokens that were revoked."""
    with transaction.atomic():
        form.save()
        update_session_auth_hash(request, request.user)
        sessions.end_others(request.user, request.session.session_key)
        request.actor.audit("member.password-changed", request.user)
        return tokens.apply()


def _end_sessions(request: MemberRequest, which: str) -> HttpResponse:
    """End one of the user's other sessions, by its reference; without one, all others. Logging out ends this one."""
    rows = sessions.sessions_of(request.user).exclude(session_key=request.session.session_key)
    keys = [row.session_key for row in rows if which in {"", sessions.reference(row)}]
    with transaction.atomic():
        ended, _ = rows.filter(session_key__in=keys).delete()
        if ended:
            request.actor.audit("member.sessions-ended", request.user, {"sessions": ended})
    text = (
        f"{pluralize(ended, 'session was', 'sessions were')} ended."
        if ended
        else "There was no other session any more."
    )
    messages.success(request, text)
    return redirect("profile", request.workspace.id)


def browser_of(user_agent: str) -> str:
    """For example "Firefox on Windows"; the first forty characters of an unknown User-Agent. Nothing is decided by it."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or user_agent[:40] or "Unknown browser"


def _first(names: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for part, name in names if part in text), "")
