"""A person's own name, password and sessions. Whatever the role, these are theirs to change."""

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console import devices, throttle
from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.entry.end_tokens import EndTokensForm, told
from jetbridge.console.settings.browsers import browser_of
from jetbridge.control import sessions
from jetbridge.control.people import Role, User
from jetbridge.text import pluralize


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
    tokens = EndTokensForm(data if sent == "password" else None, request.user)
    if sent == "name" and name.is_valid():
        User.objects.filter(id=request.user.id).update(name=name.cleaned_data["name"])
        messages.success(request, "Your name was saved.")
        return redirect("profile", request.workspace.id)
    if sent == "password":
        if minutes := _attempt(request).wait_minutes():
            password = PasswordForm(request.user, None)
            messages.error(request, f"Too many tries. Nothing was looked at. Try again in {minutes} min.")
        elif password.is_valid():
            return _change(request, password, tokens)
        elif "old_password" not in password.errors:
            _attempt(request).succeeded()  # the new one was refused: that is no guess
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


def _attempt(request: MemberRequest) -> throttle.Attempt:
    return throttle.Attempt(throttle.PASSWORDS, request.user.email, throttle.address_of(request))


def _change(request: MemberRequest, form: PasswordForm, tokens: EndTokensForm) -> HttpResponse:
    with transaction.atomic():
        form.save()
        update_session_auth_hash(request, request.user)  # this session stays, all others of the user end
        sessions.end_others(request.user, request.session.session_key)
        request.actor.audit("member.password-changed", request.user)
        revoked = tokens.apply()
    _attempt(request).succeeded()
    messages.success(request, told(revoked))
    response = redirect("profile", request.workspace.id)
    devices.remember(response, request.user)
    return response


def _end_sessions(request: MemberRequest, which: str) -> HttpResponse:
    """One of the user's others, by its reference; without one, all others. To end this one is to log out."""
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
