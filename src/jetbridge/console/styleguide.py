"""All components on one page, for those who write pages: copy from here. Owners only, it tells nothing."""

from datetime import timedelta

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from jetbridge.console.access import member_view
from jetbridge.control.people import Membership, Role


class _Example(forms.Form):
    name = forms.CharField(help_text="Help stands below the field.")
    kind = forms.ChoiceField(choices=[("http", "HTTP"), ("segment", "Segment workspace")])
    secret_key = forms.CharField(widget=forms.PasswordInput, help_text="Shown once.")
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    enabled = forms.BooleanField(required=False, help_text="A switch says what it does when it is on.")


@member_view
def styleguide(request: HttpRequest) -> HttpResponse:
    memberships: list[Membership] = request.memberships  # type: ignore[attr-defined]
    if not settings.DEBUG and not any(row.may(Role.OWNER) for row in memberships):
        raise PermissionDenied("The style guide is for owners.")
    context = {
        "form": _Example(prefix="right"),
        "wrong": _Example({"wrong-kind": "ftp"}, prefix="wrong"),
        "moment": timezone.now() - timedelta(minutes=3),
    }
    return render(request, "console/styleguide.html", context)
