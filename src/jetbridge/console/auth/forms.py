"""Form fields of people: an email address, a new password, and what happens to API tokens with the old one."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from jetbridge.control.audit import Actor
from jetbridge.control.people import User
from jetbridge.services import api_tokens
from jetbridge.spec.emails import normalise
from jetbridge.text import pluralize

#: Tokens that are named.
SHOWN_TOKENS = 5


class AddressField(forms.EmailField):
    """An email address in its one spelling. What a valid address is, is decided by the same code as for contacts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators = []  # Django's accept other addresses than contacts do

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        address = normalise(text)
        if text and address is None:
            raise ValidationError(f"{text[:100]!r} is no email address. Write it like ada@example.com.")
        return address or ""


def new_password(label: str = "Password") -> forms.CharField:
    """The field in which a new password is chosen. It is typed once, and can be shown."""
    return forms.CharField(
        label=label,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=" ".join(password_validators_help_texts()[1:2]),
    )


def check_password(form: forms.Form, user: User) -> None:
    """Report at the field what is wrong with the password for this user, if it is filled in."""
    if password := form.cleaned_data.get("password"):
        try:
            validate_password(password, user)
        except forms.ValidationError as error:
            form.add_error("password", error)


class RevokeTokensForm(forms.Form):
    """Asks whoever changes a password whether the person's API tokens are revoked, too.

    Somebody who knew the old password may have created them. A form of its own beside the one with the password; it is empty
    for people without tokens.
    """

    revoke_tokens = forms.BooleanField(required=False)

    def __init__(self, data: object, user: User) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self._user = user
        tokens = list(user.api_tokens.select_related("workspace").order_by("id"))
        if not tokens:
            del self.fields["revoke_tokens"]
            return
        names = [f"{token} of {token.workspace}" for token in tokens[:SHOWN_TOKENS]]
        if len(tokens) > SHOWN_TOKENS:
            names.append(f"{len(tokens) - SHOWN_TOKENS} more")
        field = self.fields["revoke_tokens"]
        field.label = "Also revoke my API tokens" if len(tokens) > 1 else "Also revoke my API token"
        field.help_text = format_html(
            "{}. Programs that use one get an error from then on. Choose this if somebody else may have known your password.",
            ", ".join(names),
        )

    def apply(self) -> int:
        """Revoke them if that was chosen, with an entry in each workspace's audit log. The number of revoked tokens."""
        if not (self.is_valid() and self.cleaned_data.get("revoke_tokens")):
            return 0
        tokens = list(self._user.api_tokens.select_related("workspace"))
        for token in tokens:
            api_tokens.revoke(Actor(token.workspace, self._user), token)
        return len(tokens)


def changed_message(revoked_tokens: int) -> str:
    """What a page says after a password was changed."""
    tokens = (
        f" {pluralize(revoked_tokens, 'API token was', 'API tokens were')} revoked." if revoked_tokens else ""
    )
    return f"Your password was changed. Your other sessions have ended.{tokens}"
