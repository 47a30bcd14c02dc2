"""Who changes a password is asked whether the person's API tokens end, too: they may have been made by whoever knew it."""

from django import forms
from django.utils.html import format_html

from jetbridge.control.audit import Actor
from jetbridge.control.people import User
from jetbridge.services import api_tokens
from jetbridge.text import pluralize

#: Tokens that are named.
SHOWN = 5


class EndTokensForm(forms.Form):
    """The question, as a form of its own beside the one with the password. Who has no token is asked nothing."""

    end_tokens = forms.BooleanField(required=False)

    def __init__(self, data: object, user: User) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self._user = user
        tokens = list(user.api_tokens.select_related("workspace").order_by("id"))
        if not tokens:
            del self.fields["end_tokens"]
            return
        names = [f"{token} of {token.workspace}" for token in tokens[:SHOWN]]
        if len(tokens) > SHOWN:
            names.append(f"{len(tokens) - SHOWN} more")
        field = self.fields["end_tokens"]
        field.label = "End my API tokens, too" if len(tokens) > 1 else "End my API token, too"
        field.help_text = format_html(
            "{}. Programs that use one are refused from then on. Tick it if somebody else may have known your password.",
            ", ".join(names),
        )

    def apply(self) -> int:
        """Revoke them if that was chosen; how many. The audit log of each workspace tells it."""
        if not (self.is_valid() and self.cleaned_data.get("end_tokens")):
            return 0
        tokens = list(self._user.api_tokens.select_related("workspace"))
        for token in tokens:
            api_tokens.revoke(Actor(token.workspace, self._user), token)
        return len(tokens)


def told(ended: int) -> str:
    """What is said of a password that was changed."""
    tokens = f" {pluralize(ended, 'API token was', 'API tokens were')} revoked." if ended else ""
    return f"Your password was changed. Other sessions of yours have ended.{tokens}"
