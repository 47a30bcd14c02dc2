"""Alerts: what is wrong, and what was; and the rules that say what to look for and whom to notify."""

from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Query
from pydantic import Field

from jetbridge.alerts import rules
from jetbridge.api.errors import HTTPError
from jetbridge.api.masks import masked_url, unmasked
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, Timestamp, example
from jetbridge.control import alerts
from jetbridge.control.alerts import AlertKind
from jetbridge.integrations.setting import MASK
from jetbridge.services import alert_rules as alert_rule_services

router = ApiRouter(tags=["Alerts"])

AlertKindName = Annotated[AlertKind, Field(strict=False)]
Percent = Annotated[int, Field(ge=0, le=99, examples=[5])]
Minutes = Annotated[int, Field(ge=1, le=max(rules.LONGEST.values()), examples=[15])]
Address = Annotated[str, Field(max_length=254)]
Emails = Annotated[list[Address], Field(max_length=rules.ADDRESSES, examples=[["ops@example.com"]])]
WebhookUrl = Annotated[str, Field(max_length=2000, examples=["https://example.com/hooks/jetbridge"])]


class AlertRulePatch(InSchema):
    """What is absent or null stays, but `destination` null: every one."""

    destination: Annotated[Id | None, example(2)] = None
    source: Annotated[Id | None, example(None)] = None
    percent: Percent | None = None
    minutes: Minutes | None = None
    webhook_url: WebhookUrl | None = None
    emails: Emails | None = None
    owners: bool | None = None
    enabled: bool | None = None


class AlertRuleIn(AlertRulePatch):
    """stall: a light stops deliveries, of a destination, or anything. pause: a destination, or any, is paused. failures:
    more than `percent` of what a destination, or any, completed in `minutes` failed. silence: a source received nothing
    for `minutes`. Absent are 5 percent, and 15 minutes.
    """

    kind: AlertKindName


class AlertRuleOut(OutSchema):
    """`destination` null: every one. Of a webhook's address only the host is shown here; it can be sent back so.
    `owners` get a mail, too.
    """

    id: Id
    kind: AlertKindName
    destination: Annotated[int | None, example(2)]
    source: Annotated[int | None, example(None)]
    percent: Percent
    minutes: Minutes
    webhook_host: Annotated[str, example("example.com")]
    webhook_url: Annotated[str, example(f"https://example.com/{MASK}")]
    emails: Emails
    owners: bool
    enabled: bool


class AlertRuleDetailOut(OutSchema):
    """`signing_secret` is the key of the webhook's X-Jetbridge-Signature."""

    rule: AlertRuleOut
    webhook_url: WebhookUrl
    signing_secret: Annotated[str, example("9c1f…")]


class TestedChannelOut(OutSchema):
    """`response` is what came back, or why there was none."""

    channel: Annotated[str, example("Webhook")]
    arrived: bool
    response: Annotated[str, example("200")]


class AlertTestOut(OutSchema):
    results: list[TestedChannelOut]


class AlertsQuery(Paging):
    """`open`: only what is wrong now, or only what was."""

    open: bool | None = None


class NotificationOut(OutSchema):
    """What was sent over one channel, that it opened or that it is `resolved`; not `sent_at` yet, or given up: `problem`."""

    channel: Literal["webhook", "email"]
    resolved: bool
    tries: Annotated[int, example(1)]
    sent_at: Timestamp | None
    problem: Annotated[str, example("")]


class AlertOut(OutSchema):
    """`thing` is such as destination:3, `name` what it was called then. `ended_at` null: it is wrong now."""

    id: Id
    kind: AlertKindName
    thing: Annotated[str, example("destination:2")]
    name: Annotated[str, example("Mailjet")]
    message: Annotated[str, example("Mailjet is paused: the key pair is refused.")]
    opened_at: Timestamp
    ended_at: Annotated[Timestamp | None, example(None)]
    notifications: list[NotificationOut]


@router.get("/alerts", response=Page[AlertOut])
def list_alerts(request: ApiRequest, query: Query[AlertsQuery]) -> Page[AlertOut]:
    """What is wrong in the workspace and what was, newest first."""
    rows = alerts.Alert.objects.filter(workspace=request.auth.workspace).prefetch_related("notifications")
    if query.open is not None:
        rows = rows.filter(ended_at__isnull=query.open)
    return page_of(rows, query, _alert)


@router.get("/alert-rules", response=Page[AlertRuleOut])
def list_alert_rules(request: ApiRequest, paging: Query[Paging]) -> Page[AlertRuleOut]:
    """The alert rules of the workspace, newest first."""
    return page_of(_rules(request.auth), paging, _rule)


@router.post("/alert-rules", auth=editor, response={201: AlertRuleOut})
def create_alert_rule(request: ApiRequest, body: AlertRuleIn) -> AlertRuleOut:
    """Create an alert rule. Name whom to notify: a webhook, email addresses, or both."""
    rule = alerts.AlertRule(workspace=request.auth.workspace, kind=body.kind)
    return _rule(_saved(request.auth, rule, body))


@router.get("/alert-rules/{int:rule}", auth=editor, response=AlertRuleDetailOut)
def get_alert_rule(request: ApiRequest, rule: Id) -> AlertRuleDetailOut:
    """One alert rule with its webhook's address and signing secret."""
    row = _find(request.auth, rule)
    return AlertRuleDetailOut(rule=_rule(row), webhook_url=row.webhook_url, signing_secret=row.webhook_secret)


@router.patch("/alert-rules/{int:rule}", auth=editor, response=AlertRuleOut)
def change_alert_rule(request: ApiRequest, rule: Id, body: AlertRulePatch) -> AlertRuleOut:
    """Change an alert rule. Disabling it ends its alerts without a notification."""
    return _rule(_saved(request.auth, _find(request.auth, rule), body))


@router.post("/alert-rules/{int:rule}/test", auth=editor, response=AlertTestOut)
def test_alert_rule(request: ApiRequest, rule: Id) -> AlertTestOut:
    """Send a test alert now, over each channel of a rule."""
    results = alert_rule_services.test(request.auth.actor, _find(request.auth, rule))
    return AlertTestOut(
        results=[
            TestedChannelOut(channel=tested.channel, arrived=tested.arrived, response=tested.response)
            for tested in results
        ]
    )


@router.delete("/alert-rules/{int:rule}", auth=editor, response=AlertRuleOut)
def delete_alert_rule(request: ApiRequest, rule: Id) -> AlertRuleOut:
    """Delete an alert rule. Its alerts end without a notification."""
    row = _find(request.auth, rule)
    deleted = _rule(row)
    alert_rule_services.delete(request.auth.actor, row)
    return deleted


def _saved(caller: Caller, rule: alerts.AlertRule, body: AlertRulePatch) -> alerts.AlertRule:
    """With what the body sets, if the kind has it. Raises HTTPError or ConfigurationError."""
    given: dict[str, Any] = {
        name: value
        for name, value in body.model_dump(exclude_unset=True, exclude={"kind"}).items()
        if value is not None or name == "destination"
    }
    known = {*rules.OF_KIND[AlertKind(rule.kind)], *rules.OF_ALL}
    if given.get("webhook_url"):
        url = unmasked("webhook_url", given["webhook_url"], masked_url(rule.webhook_url))
        given["webhook_url"] = url or rule.webhook_url
    for name, rows in (("destination", caller.workspace.destinations), ("source", caller.workspace.sources)):
        if given.get(name) is not None:
            given[name] = caller.find(rows.all(), given[name], name)
    if "emails" in given:
        given["emails"] = ", ".join(address.strip() for address in given["emails"])
    changed = [name for name, value in given.items() if getattr(rule, name) != value]
    # What was read of a rule holds every field; of a new one those of its kind are enough.
    if unknown := [name for name in (changed if rule.pk else given) if name not in known]:
        raise HTTPError(
            "INVALID_VALUE", f"A rule of the kind {AlertKind(rule.kind).value} takes no {unknown[0]}."
        )
    for name in changed:
        setattr(rule, name, given[name])
    alert_rule_services.save(caller.actor, rule, changed)
    return rule


def _rules(caller: Caller) -> QuerySet[alerts.AlertRule]:
    rows = alerts.AlertRule.objects.filter(workspace=caller.workspace)
    return rows.select_related("source", "destination", "workspace")


def _find(caller: Caller, rule: int) -> alerts.AlertRule:
    return caller.find(_rules(caller), rule, "alert rule")


def _rule(row: alerts.AlertRule) -> AlertRuleOut:
    return AlertRuleOut(
        id=row.id,
        kind=AlertKind(row.kind),
        destination=row.destination_id,
        source=row.source_id,
        percent=row.percent,
        minutes=row.minutes,
        webhook_host=row.webhook_host,
        webhook_url=masked_url(row.webhook_url),
        emails=row.addresses,
        owners=row.owners,
        enabled=row.enabled,
    )


def _alert(row: alerts.Alert) -> AlertOut:
    return AlertOut(
        id=row.id,
        kind=AlertKind(row.kind),
        thing=row.thing,
        name=row.name,
        message=row.message,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        notifications=[
            NotificationOut(
                channel=notification.channel,  # type: ignore[arg-type]
                resolved=notification.resolved,
                tries=notification.tries,
                sent_at=notification.sent_at,
                problem=notification.problem,
            )
            for notification in row.notifications.all()
        ],
    )
