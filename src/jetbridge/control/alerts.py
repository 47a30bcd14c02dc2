"""What a workspace wants to be told of, and what it was told. Loaded by `models.py`, where Django looks."""

import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils import timezone

from jetbridge.control.people import Role
from jetbridge.control.secret_field import SecretField


class AlertKind(models.TextChoices):
    STALL = "stall", "Deliveries stand still"
    PAUSE = "pause", "A destination is paused"
    FAILURES = "failures", "Too many messages fail"
    SILENCE = "silence", "A source is silent"


class Channel(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"
    EMAIL = "email", "Email"


def new_webhook_secret() -> str:
    return secrets.token_urlsafe(32)


class AlertRule(models.Model):
    """A condition, of one thing or of all of its kind, and whom to tell."""

    workspace = models.ForeignKey("control.Workspace", models.CASCADE, related_name="alert_rules")
    kind = models.CharField(max_length=10, choices=AlertKind.choices)
    #: Of standstills, holds and failures; null: every destination.
    destination = models.ForeignKey("control.Destination", models.CASCADE, null=True, related_name="+")
    #: Of silence.
    source = models.ForeignKey("control.Source", models.CASCADE, null=True, related_name="+")
    #: How far failures are looked back at, or how long a source may be silent.
    minutes = models.PositiveIntegerField(default=15)
    #: Of what was settled in these minutes, more than this share has failed.
    percent = models.PositiveIntegerField(default=5)
    webhook_url = SecretField(default="")  # those of chat tools let anybody post who knows them
    webhook_secret = SecretField(default=new_webhook_secret)
    #: Addresses with commas between.
    emails = models.TextField(default="")
    #: The owners of the workspace get a mail, whoever they are by then, if a mail server is configured.
    owners = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    #: When it was last changed: silence before that is no silence.
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        thing = self.source or self.destination
        if self.kind == AlertKind.SILENCE:
            return f"{thing} is silent for {self.minutes} min"
        if self.kind == AlertKind.STALL:
            return f"{thing or 'Something'} stands still"
        if self.kind == AlertKind.FAILURES:
            return f"{thing or 'A destination'}: more than {self.percent} % failed in {self.minutes} min"
        return f"{thing or 'A destination'} is paused"

    @property
    def webhook_host(self) -> str:
        """What everybody may see of a webhook's address: the rest may let anybody post who knows it."""
        return urlsplit(self.webhook_url).hostname or ""

    @property
    def addresses(self) -> list[str]:
        return [address.strip() for address in self.emails.split(",") if address.strip()]

    @property
    def recipients(self) -> list[str]:
        """Everybody who gets a mail."""
        owners = (
            self.workspace.memberships.filter(role=Role.OWNER, user__is_active=True) if self.owners else None
        )
        emails = owners.order_by("id").values_list("user__email", flat=True) if owners else []
        return list(dict.fromkeys([*self.addresses, *emails]))

    @property
    def channels(self) -> list[Channel]:
        mails = self.emails or (self.owners and settings.CONFIG.smtp_url is not None)
        return [Channel.WEBHOOK] * bool(self.webhook_url) + [Channel.EMAIL] * bool(mails)


class Alert(models.Model):
    """A rule that holds for one thing, from when it was first seen until it was over."""

    workspace = models.ForeignKey("control.Workspace", models.CASCADE, related_name="alerts")
    rule = models.ForeignKey(AlertRule, models.SET_NULL, null=True, related_name="alerts")
    kind = models.CharField(max_length=10, choices=AlertKind.choices)
    #: "destination:3", "source:2".
    thing = models.CharField(max_length=40)
    #: The thing as named then; stays when the thing goes.
    name = models.CharField(max_length=200)
    #: What is wrong, as it was when it began.
    message = models.TextField()
    opened_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "thing"], condition=models.Q(ended_at=None), name="alert_opens_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="alerts_newest_first")]

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


class AlertNotification(models.Model):
    """One thing to tell over one channel: that an alert has opened, or that it is over."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notifications")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    resolved = models.BooleanField(default=False)
    tries = models.PositiveIntegerField(default=0)
    #: When it is tried next; null: it was sent, or given up.
    next_at = models.DateTimeField(null=True, default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    #: What went wrong at the last try.
    problem = models.TextField(default="")

    class Meta:
        indexes = [
            models.Index(
                fields=["next_at"], name="notifications_due", condition=models.Q(next_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} of {self.alert_id}, {'resolved' if self.resolved else 'opened'}"
