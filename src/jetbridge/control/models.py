"""The tables of what people configure. Thin: rules live in the modules that use them."""

import secrets

from django.db import models

from jetbridge.control import alerts, people  # noqa: F401 - their tables: Django looks for them here
from jetbridge.control.secret_field import SecretField, digest


def new_write_key() -> str:
    return secrets.token_hex(16)  # Segment's write keys have 32 characters


def new_secret() -> str:
    return secrets.token_urlsafe(32)


class Workspace(models.Model):
    name = models.CharField(max_length=200, unique=True)
    #: IANA name of the zone on whose clock schedules are; see `time_zones.py`.
    time_zone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class SourceKind(models.TextChoices):
    HTTP = "http", "HTTP API"  # Segment's SDKs and HTTP API, by write key
    SEGMENT = "segment", "Segment workspace"  # a whole Segment workspace, by authentication key
    MAILJET = "mailjet", "Mailjet events"  # email events of a Mailjet account, by the token in the URL
    ENGAGE = (
        "engage",
        "Engage",
    )  # what audiences and computed traits of the workspace send; nobody else writes to it


class Source(models.Model):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="sources")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=SourceKind.choices)
    write_key = models.CharField(max_length=64, unique=True, default=new_write_key)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="source_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class SchemaBlock(models.Model):
    """What no destination gets of a source's messages: an event (`name` is ""), or a property or trait of one.

    `event` is that of a track call, and "" of other types.
    """

    source = models.ForeignKey(Source, models.CASCADE, related_name="blocks")
    type = models.CharField(max_length=20)
    event = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "type", "event", "name"], name="block_is_unique")
        ]


class DeletedSource(models.Model):
    """A source that is gone. Its records stay in the event log until retention: an erasure looks there."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="deleted_sources")
    source_id = models.BigIntegerField(unique=True)


class MailjetAccount(models.Model):
    """One Mailjet API key pair that the user has added."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="mailjet_accounts")
    name = models.CharField(max_length=200)
    api_url = models.URLField(default="https://api.mailjet.com")
    api_key = models.CharField(max_length=64)
    secret_key = SecretField()
    #: Part of the event callback URL that we register; whoever presents it is Mailjet.
    events_token = SecretField(default=new_secret)
    events_token_digest = models.CharField(max_length=64, unique=True, editable=False)
    event_source = models.OneToOneField(Source, models.PROTECT, related_name="mailjet_account")
    #: The sender puts the userId into the CustomID of each message: email events are that person's.
    custom_id_is_user_id = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "api_url", "api_key"], name="account_is_unique")
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: object, **kwargs: object) -> None:
        self.events_token_digest = digest(self.events_token)
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class AppConnection(models.Model):
    """The "Segment" block of a Mailjet account."""

    account = models.ForeignKey(MailjetAccount, models.CASCADE, related_name="app_connections")
    authentication_key = SecretField(default=new_secret)
    authentication_key_digest = models.CharField(max_length=64, unique=True, editable=False)
    #: The key before the last rotation, as long as it is still good; see `authentication_keys.py`.
    previous_key = SecretField(default="")
    previous_key_digest = models.CharField(max_length=64, default="", db_index=True, editable=False)
    previous_key_until = models.DateTimeField(null=True)
    list_id = models.BigIntegerField()
    list_name = models.CharField(max_length=200)
    #: Where calls that present the authentication key arrive.
    source = models.OneToOneField(Source, models.PROTECT, related_name="app_connection")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "list_id"], name="connection_is_unique")]

    def __str__(self) -> str:
        return f"{self.account} → {self.list_name}"

    def save(self, *args: object, **kwargs: object) -> None:
        self.authentication_key_digest = digest(self.authentication_key)
        self.previous_key_digest = self.previous_key and digest(self.previous_key)
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class Destination(models.Model):
    """`settings` and `secrets` hold the fields that the destination's definition declares."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="destinations")
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    enabled = models.BooleanField(default=True)
    settings = models.JSONField(default=dict)
    secrets = SecretField(default="{}")  # a JSON object
    sources = models.ManyToManyField(Source, related_name="destinations")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="destination_name_is_unique")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def chosen_sources(self) -> list[Source]:
        """Those that people have connected, by name. Engage's source is connected by the audiences that are sent here."""
        return sorted(
            (source for source in self.sources.all() if source.kind != SourceKind.ENGAGE),
            key=lambda source: source.name,
        )
