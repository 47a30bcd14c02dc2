"""The field in which a new password is chosen, wherever that is: one field that can be shown, and the same rules."""

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password

from jetbridge.control.people import User


def new_password(label: str = "Password") -> forms.CharField:
    return forms.CharField(
        label=label,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=" ".join(password_validators_help_texts()[1:2]),
    )


def check_password(form: forms.Form, user: User) -> None:
    """Say at the field what is wrong with the password for this user, if it is filled in."""
    if password := form.cleaned_data.get("password"):
        try:
            validate_password(password, user)
        except forms.ValidationError as error:
            form.add_error("password", error)
