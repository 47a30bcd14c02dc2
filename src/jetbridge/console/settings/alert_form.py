"""The form of an alert rule: what it asks depends on the kind."""

from typing import TYPE_CHECKING, Any

from django import forms

from jetbridge.alerts import rules
from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.control.models import Workspace

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[AlertRule]
else:
    _ModelForm = forms.ModelForm  # generic for type checkers only


class RuleForm(_ModelForm):
    webhook_url = forms.CharField(
        label="Webhook URL",
        required=False,
        max_length=2000,
        # Who knows the address of a chat tool's webhook can post there: it is shown only to who asks.
        widget=forms.PasswordInput(
            render_value=True,
            attrs={"placeholder": "https://example.com/alerts", "autocomplete": "new-password"},
        ),
        help_text="Gets a signed POST with JSON.",
    )
    emails = forms.CharField(
        label="Email",
        required=False,
        max_length=2000,
        help_text=f"Up to {rules.ADDRESSES} addresses, with commas between.",
    )

    class Meta:
        model = AlertRule
        fields = ["destination", "source", "percent", "minutes", *rules.OF_ALL]
        labels = {
            "percent": "Limit, in percent",
            "minutes": "Minutes",
            "owners": "Mail the owners of the workspace",
            "enabled": "Enabled",
        }
        help_texts = {"percent": "Of what was delivered or failed, more than this share failed."}

    def __init__(self, *args: Any, workspace: Workspace, kind: AlertKind, **options: Any) -> None:
        super().__init__(*args, **options)
        self.instance.workspace, self.instance.kind = workspace, kind
        for name in set(self.fields) - {*rules.OF_KIND[kind], *rules.OF_ALL}:
            del self.fields[name]
        self._limit_to(workspace)
        if "minutes" in self.fields:
            self._explain_minutes(kind)

    def _limit_to(self, workspace: Workspace) -> None:
        for name, rows in (("destination", workspace.destinations), ("source", workspace.sources)):
            if isinstance(field := self.fields.get(name), forms.ModelChoiceField):
                field.queryset = rows.order_by("name")
                field.required = name == "source"
                field.empty_label = "Every destination" if name == "destination" else "Choose a source"

    def _explain_minutes(self, kind: AlertKind) -> None:
        how = "How far it looks back." if kind == AlertKind.FAILURES else "Nothing for so long is silence."
        self.fields["minutes"].help_text = f"{how} Up to {rules.LONGEST[kind]:,}."

    def clean_emails(self) -> str:
        return ", ".join(each.strip() for each in self.cleaned_data["emails"].split(",") if each.strip())

    def clean(self) -> None:
        rule = AlertRule(kind=self.instance.kind, **self.cleaned_data)
        for field, sentence in rules.problems(rule):
            if field not in self.errors:
                self.add_error(field or None, sentence)
