"""A person's own name and password. Whatever the role, this is theirs to change."""

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.people import Role, User


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
    """Two forms on one page; `form` says which one was sent."""
    sent = request.POST.get("form") if request.method == "POST" else None
    data = request.POST
    name = NameForm(data if sent == "name" else None, initial={"name": request.user.name})
    password = PasswordForm(request.user, data if sent == "password" else None)
    if sent == "name" and name.is_valid():
        User.objects.filter(id=request.user.id).update(name=name.cleaned_data["name"])
        messages.success(request, "Your name was saved.")
        return redirect("profile", request.workspace.id)
    if sent == "password" and password.is_valid():
        _change(request, password)
        return redirect("profile", request.workspace.id)
    status = 422 if sent else 200
    context = {"name_form": name, "password_form": password}
    return render(request, "console/settings/profile.html", context, status=status)


def _change(request: MemberRequest, form: PasswordForm) -> None:
    form.save()
    update_session_auth_hash(request, request.user)  # this session stays, all others of the user end
    request.actor.audit("member.password-changed", request.user)
    messages.success(request, "Your password was changed. Other sessions of yours have ended.")
