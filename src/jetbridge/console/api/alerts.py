"""Alerts: what is wrong, and what was; and the rules that say what to look for and whom to tell."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

import msgspec
from django.db.models import QuerySet
from msgspec import UNSET, Meta, UnsetType

from jetbridge.console.acts import alert_rules as acts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import AlertKindName, Id
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.api.refusal import Refused
from jetbridge.control import alerts
from jetbridge.control.alerts import AlertKind
from jetbridge.control.people import Role
from jetbridge.delivery.alerting import rules

Percent = Annotated[int, Meta(ge=0, le=99)]
Minutes = Annotated[int, Meta(ge=1, le=max(rules.LONGEST.values()))]
Address = Annotated[str, Meta(max_length=254)]
Emails = Annotated[list[Address], Meta(max_length=rules.ADDRESSES)]
WebhookUrl = Annotated[str, Meta(max_length=2000)]


class AlertRule(msgspec.Struct):
    """`destination` null: every one. Of a webhook's address only the host is told here."""

    id: int
    kind: AlertKindName
    destination: int | None
    source: int | None
    percent: int
    minutes: int
    webhook_host: str
    emails: list[str]
    enabled: bool


class AlertRuleInFull(msgspec.Struct):
    """`signing_secret` is the key of the webhook's X-Jetbridge-Signature."""

    rule: AlertRule
    webhook_url: str
    signing_secret: str


class AlertRuleChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is absent stays. `destination` null: every one."""

    destination: Id | UnsetType | None = UNSET
    source: Id | UnsetType = UNSET
    percent: Percent | UnsetType = UNSET
    minutes: Minutes | UnsetType = UNSET
    webhook_url: WebhookUrl | UnsetType = UNSET
    emails: Emails | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class NewAlertRule(AlertRuleChange, kw_only=True):
    """hold: of a destination, or of all. failures: more than `percent` of what a destination, or any, settled in
    `minutes` failed. silence: a source received nothing for `minutes`. Absent are 5 percent, and 15 minutes.
    """

    kind: AlertKindName


class TestedChannel(msgspec.Struct):
    """`answer` is what was answered, or why nobody did."""

    channel: str
    arrived: bool
    answer: str


class AlertTest(msgspec.Struct):
    results: list[TestedChannel]


class AlertsQuery(Paging):
    """`open`: only what is wrong now, or only what is over."""

    open: bool | None = None


class Notice(msgspec.Struct):
    """What was told over one channel, that it opened or that it is `over`; not `sent_at` yet, or given up: `problem`."""

    channel: Literal["webhook", "email"]
    over: bool
    tries: int
    sent_at: datetime | None
    problem: str


class Alert(msgspec.Struct):
    """`thing` is such as destination:3, `name` what it was called then. `ended_at` null: it is wrong now."""

    id: int
    kind: AlertKindName
    thing: str
    name: str
    sentence: str
    opened_at: datetime
    ended_at: datetime | None
    notices: list[Notice]


@endpoint("GET", "alerts")
def list_alerts(caller: Caller, query: AlertsQuery) -> Page[Alert]:
    """What is wrong in the workspace and what was, newest first."""
    rows = alerts.Alert.objects.filter(workspace=caller.workspace).prefetch_related("notices")
    if query.open is not None:
        rows = rows.filter(ended_at__isnull=query.open)
    return page_of(rows, query, _alert)


@endpoint("GET", "alert-rules")
def list_alert_rules(caller: Caller, query: Paging) -> Page[AlertRule]:
    """The alert rules of the workspace, newest first."""
    return page_of(_rules(caller), query, _shape)


@endpoint("POST", "alert-rules", Role.EDITOR, status=201)
def create_alert_rule(caller: Caller, body: NewAlertRule) -> AlertRule:
    """Add an alert rule. Say whom to tell: a webhook, email addresses, or both."""
    rule = alerts.AlertRule(workspace=caller.workspace, kind=body.kind)
    return _shape(_saved(caller, rule, _given(body)))


@endpoint("GET", "alert-rules/<int:rule>", Role.EDITOR)
def get_alert_rule(caller: Caller, rule: int) -> AlertRuleInFull:
    """One alert rule with its webhook's address and signing secret."""
    row = _own(caller, rule)
    return AlertRuleInFull(_shape(row), row.webhook_url, row.webhook_secret)


@endpoint("PATCH", "alert-rules/<int:rule>", Role.EDITOR)
def change_alert_rule(caller: Caller, rule: int, body: AlertRuleChange) -> AlertRule:
    """Change an alert rule. Switching it off ends its alerts without a word."""
    return _shape(_saved(caller, _own(caller, rule), _given(body)))


@endpoint("POST", "alert-rules/<int:rule>/test", Role.EDITOR)
def test_alert_rule(caller: Caller, rule: int) -> AlertTest:
    """Send a test alert now, over each channel of a rule."""
    return AlertTest([TestedChannel(*each) for each in acts.test(caller.actor, _own(caller, rule))])


@endpoint("DELETE", "alert-rules/<int:rule>", Role.EDITOR)
def delete_alert_rule(caller: Caller, rule: int) -> AlertRule:
    """Delete an alert rule. Its alerts end without a word."""
    row = _own(caller, rule)
    told = _shape(row)
    acts.delete(caller.actor, row)
    return told


def _saved(caller: Caller, rule: alerts.AlertRule, given: dict[str, Any]) -> alerts.AlertRule:
    """With these values, if the kind has them. Raises Refused or ConfigurationError."""
    known = {*rules.OF_KIND[AlertKind(rule.kind)], *rules.OF_ALL}
    if unknown := [name for name in given if name not in known]:
        raise Refused(422, f"A rule of the kind {AlertKind(rule.kind).value} takes no {unknown[0]}.")
    for name, rows in (("destination", caller.workspace.destinations), ("source", caller.workspace.sources)):
        if given.get(name) is not None:
            given[name] = caller.own(rows.all(), given[name], name)
    if "emails" in given:
        given["emails"] = ", ".join(each.strip() for each in given["emails"])
    changed = [name for name, value in given.items() if getattr(rule, name) != value]
    for name in changed:
        setattr(rule, name, given[name])
    acts.save(caller.actor, rule, changed)
    return rule


def _given(body: AlertRuleChange) -> dict[str, Any]:
    values = {name: getattr(body, name) for name in AlertRuleChange.__struct_fields__}
    return {name: value for name, value in values.items() if value is not UNSET}


def _rules(caller: Caller) -> QuerySet[alerts.AlertRule]:
    rows = alerts.AlertRule.objects.filter(workspace=caller.workspace)
    return rows.select_related("source", "destination", "workspace")


def _own(caller: Caller, rule: int) -> alerts.AlertRule:
    return caller.own(_rules(caller), rule, "alert rule")


def _shape(row: alerts.AlertRule) -> AlertRule:
    return AlertRule(
        row.id,
        cast("AlertKindName", row.kind),
        row.destination_id,
        row.source_id,
        row.percent,
        row.minutes,
        row.webhook_host,
        row.addresses,
        row.enabled,
    )


def _alert(row: alerts.Alert) -> Alert:
    return Alert(
        row.id,
        cast("AlertKindName", row.kind),
        row.thing,
        row.name,
        row.sentence,
        row.opened_at,
        row.ended_at,
        [
            Notice(each.channel, each.over, each.tries, each.sent_at, each.problem)  # type: ignore[arg-type]
            for each in row.notices.all()
        ],
    )
