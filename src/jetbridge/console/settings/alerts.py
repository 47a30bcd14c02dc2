"""Alerts: the rules of a workspace, open alerts, and past ones. The form of a rule depends on its kind."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from jetbridge.alerts import rules
from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.pager import page_of
from jetbridge.control import mail
from jetbridge.control.alerts import Alert, AlertKind, AlertRule
from jetbridge.control.models import Workspace
from jetbridge.control.people import Role
from jetbridge.services import alert_rules

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[AlertRule]
else:
    _ModelForm = forms.ModelForm  # generic for type checkers only

OPEN_SHOWN = 100


class RuleForm(_ModelForm):
    webhook_url = forms.CharField(
        label="Webhook URL",
        required=False,
        max_length=2000,
        # Whoever knows a chat tool's webhook URL can post there: it is hidden until somebody shows it.
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
        help_text=f"Up to {rules.ADDRESSES} addresses, separated by commas.",
    )

    class Meta:
        model = AlertRule
        fields = ["destination", "source", "percent", "minutes", *rules.OF_ALL]
        labels = {
            "percent": "Limit, in percent",
            "minutes": "Minutes",
            "owners": "Email the owners of the workspace",
            "enabled": "Enabled",
        }
        help_texts = {
            "percent": "An alert is sent if more than this share of the delivered and failed messages failed."
        }

    def __init__(self, *args: Any, workspace: Workspace, kind: AlertKind, **options: Any) -> None:
        super().__init__(*args, **options)
        self.instance.workspace, self.instance.kind = workspace, kind
        for name in set(self.fields) - {*rules.OF_KIND[kind], *rules.OF_ALL}:
            del self.fields[name]
        for name, rows in (("destination", workspace.destinations), ("source", workspace.sources)):
            if isinstance(field := self.fields.get(name), forms.ModelChoiceField):
                field.queryset = rows.order_by("name")
                field.required = name == "source"
                field.empty_label = "Every destination" if name == "destination" else "Choose a source"
        if "minutes" in self.fields:
            meaning = (
                "Messages of the last minutes are counted."
                if kind == AlertKind.FAILURES
                else "The alert is sent after so long without a message."
            )
            self.fields["minutes"].help_text = f"{meaning} Up to {rules.LONGEST[kind]:,}."

    def clean_emails(self) -> str:
        return ", ".join(email.strip() for email in self.cleaned_data["emails"].split(",") if email.strip())

    def clean(self) -> None:
        rule = AlertRule(kind=self.instance.kind, **self.cleaned_data)
        for field, message in rules.problems(rule):
            if field not in self.errors:
                self.add_error(field or None, message)


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    alerts = Alert.objects.filter(workspace=request.workspace).prefetch_related("notifications")
    context = {
        "rules": list(_rules(request).order_by("id")),
        "open": list(alerts.filter(ended_at=None).order_by("-id")[:OPEN_SHOWN]),
        "page": page_of(alerts.exclude(ended_at=None), request),
        "sends_mail": mail.is_configured(),
    }
    return render(request, "console/settings/alerts.html", context)


@workspace_view(Role.EDITOR)
def add(request: MemberRequest) -> HttpResponse:
    kind = request.GET.get("kind", "")
    kind = AlertKind(kind) if kind in AlertKind.values else AlertKind.PAUSE
    form = RuleForm(request.POST or None, workspace=request.workspace, kind=kind)
    if request.method == "POST" and form.is_valid():
        rule = form.instance
        alert_rules.save(request.actor, rule, form.changed_data)
        messages.success(request, "The rule is active. Send a test to see that the notification arrives.")
        return redirect("alert-rule", request.workspace.id, rule.id)
    return _page(request, form, kind=kind, kinds=AlertKind.choices)


@workspace_view(Role.EDITOR)
def edit(request: MemberRequest, rule: int) -> HttpResponse:
    row = _rule(request, rule)
    form = _form(request, row, request.POST or None)
    if request.method == "POST" and form.is_valid():
        alert_rules.save(request.actor, form.instance, form.changed_data)
        messages.success(request, "The alert was saved.")
        return redirect("alerts", request.workspace.id)
    return _page(request, form, rule=row)


@workspace_view(Role.EDITOR)
@require_POST
def test(request: MemberRequest, rule: int) -> HttpResponse:
    row = _rule(request, rule)
    results = alert_rules.test(request.actor, row)
    return _page(request, _form(request, row), rule=row, results=results)


@workspace_view(Role.EDITOR)
def delete(request: MemberRequest, rule: int) -> HttpResponse:
    row = _rule(request, rule)
    if request.method != "POST":
        context = {
            "title": "Delete this alert",
            "text": f"Alerts are no longer sent for: {row}.",
            "action": "Delete",
        }
        return render(request, "console/settings/confirm.html", context)
    alert_rules.delete(request.actor, row)
    messages.success(request, "The alert was deleted.")
    return redirect("alerts", request.workspace.id)


def _rules(request: MemberRequest) -> QuerySet[AlertRule]:
    return AlertRule.objects.filter(workspace=request.workspace).select_related("source", "destination")


def _rule(request: MemberRequest, number: int) -> AlertRule:
    return get_object_or_404(_rules(request), id=number)


def _form(request: MemberRequest, rule: AlertRule, data: Any = None) -> RuleForm:
    return RuleForm(data, instance=rule, workspace=request.workspace, kind=AlertKind(rule.kind))


def _page(request: MemberRequest, form: RuleForm, **more: object) -> HttpResponse:
    context = {"form": form, "sends_mail": mail.is_configured(), **more}
    return render(request, "console/settings/alert_rule.html", context, status=422 if form.errors else 200)
