"""The form of an alert rule: what it asks depends on the kind."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email

from jetbridge.control import mail
from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.control.models import Workspace
from jetbridge.delivery.alerting import webhook

ADDRESSES = 10
_OF_KIND = {
    AlertKind.HOLD: ("destination",),
    AlertKind.FAILURES: ("destination", "percent", "minutes"),
    AlertKind.SILENCE: ("source", "minutes"),
}
_OF_ALL = ("webhook_url", "emails", "enabled")
_DAY, _WEEK = 24 * 60, 7 * 24 * 60


if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[AlertRule]
else:
    _ModelForm = forms.ModelForm  # generic for type checkers only


class RuleForm(_ModelForm):
    webhook_url = forms.CharField(
        label="Webhook URL",
        required=False,
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/alerts", "autocomplete": "off"}),
        help_text="Gets a signed POST with JSON.",
    )
    emails = forms.CharField(
        label="Email",
        required=False,
        max_length=2000,
        help_text=f"Up to {ADDRESSES} addresses, with commas between.",
    )

    class Meta:
        model = AlertRule
        fields = ["destination", "source", "percent", "minutes", *_OF_ALL]
        labels = {"percent": "Limit, in percent", "minutes": "Minutes", "enabled": "Look for it"}
        help_texts = {"percent": "Of what was delivered or failed, more than this share failed."}

    def __init__(self, *args: Any, workspace: Workspace, kind: AlertKind, **options: Any) -> None:
        super().__init__(*args, **options)
        self.instance.workspace, self.instance.kind = workspace, kind
        for name in set(self.fields) - {*_OF_KIND[kind], *_OF_ALL}:
            del self.fields[name]
        self._limit_to(workspace)
        if "minutes" in self.fields:
            self._limit_minutes(kind)

    def _limit_to(self, workspace: Workspace) -> None:
        for name, rows in (("destination", workspace.destinations), ("source", workspace.sources)):
            if isinstance(field := self.fields.get(name), forms.ModelChoiceField):
                field.queryset = rows.order_by("name")
                field.required = name == "source"
                field.empty_label = "Every destination" if name == "destination" else "Choose a source"

    def _limit_minutes(self, kind: AlertKind) -> None:
        longest = _WEEK if kind == AlertKind.SILENCE else _DAY
        field = self.fields["minutes"]
        field.validators = [MinValueValidator(1), MaxValueValidator(longest)]
        field.help_text = (
            f"How far it looks back. Up to {longest:,}."
            if kind == AlertKind.FAILURES
            else f"Nothing for so long is silence. Up to {longest:,}."
        )

    def clean_percent(self) -> int:
        percent: int = self.cleaned_data["percent"]
        if percent > 99:
            raise forms.ValidationError("Choose a limit below 100: more than all cannot fail.")
        return percent

    def clean_webhook_url(self) -> str:
        url: str = self.cleaned_data["webhook_url"]
        if url and (sentence := webhook.problem(url)):
            raise forms.ValidationError(sentence)
        return url

    def clean_emails(self) -> str:
        addresses = [each.strip() for each in self.cleaned_data["emails"].split(",") if each.strip()]
        if len(addresses) > ADDRESSES:
            raise forms.ValidationError(f"{len(addresses)} addresses are too many; {ADDRESSES} at most.")
        for each in addresses:
            validate_email(each)
        if addresses and not mail.is_configured():
            raise forms.ValidationError("No mail server is configured: set JETBRIDGE_SMTP_URL first.")
        return ", ".join(addresses)

    def clean(self) -> None:
        values = self.cleaned_data
        if not self.errors and not values.get("webhook_url") and not values.get("emails"):
            raise forms.ValidationError("Say whom to tell: a webhook URL, an email address, or both.")
