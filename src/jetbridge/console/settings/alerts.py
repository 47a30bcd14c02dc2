"""Alerts: the rules of a workspace, what is wrong now, and what was."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.pager import page_of
from jetbridge.console.settings.alert_form import RuleForm
from jetbridge.control import mail
from jetbridge.control.alerts import Alert, AlertKind, AlertRule
from jetbridge.control.people import Role
from jetbridge.services import alert_rules

OPEN_SHOWN = 100


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
        messages.success(request, "The worker looks for it from now on. Send a test to see that it arrives.")
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
            "text": f"No more alerts when: {row}.",
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
