"""The tables of what people configure. Thin: rules live in the modules that use them."""

import secrets
from datetime import datetime

from django.db import models
from django.utils import timezone

from jetbridge.control import alerts, people  # noqa: F401 - their tables: Django looks for them here
from jetbridge.control.secret_field import SecretField, digest


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
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="source_name_is_unique")]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: object, **kwargs: object) -> None:
        is_new = self._state.adding
        super().save(*args, **kwargs)  # type: ignore[arg-type]
        if is_new and (kind := CREDENTIAL_KINDS.get(self.kind)):
            self.credentials.create(kind=kind)

    @property
    def current_key(self) -> str:
        """What senders present from now on: a write key, an authentication key or an events token; "" for Engage."""
        return next((row.secret for row in self.credentials.all() if row.expires_at is None), "")

    @property
    def previous(self) -> "Credential | None":
        """The key before the last rotation, while it is still valid."""
        return next((row for row in self.credentials.all() if row.expires_at and row.is_valid), None)


class CredentialKind(models.TextChoices):
    WRITE_KEY = "write_key", "Write key"
    AUTHENTICATION_KEY = "authentication_key", "Authentication key"
    EVENTS_TOKEN = "events_token", "Token of the event callback URL"


#: By kind of source, what its senders present.
CREDENTIAL_KINDS: dict[str, CredentialKind] = {
    SourceKind.HTTP: CredentialKind.WRITE_KEY,
    SourceKind.SEGMENT: CredentialKind.AUTHENTICATION_KEY,
    SourceKind.MAILJET: CredentialKind.EVENTS_TOKEN,
}


class Credential(models.Model):
    """A key or token that lets its bearer send messages to a source. Each is rotated with a grace period: see `credentials.py`.

    Senders are found by the digest; the plain value is shown to people, and is the secret of X-Signature.
    """

    source = models.ForeignKey(Source, models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=20, choices=CredentialKind.choices)
    secret = SecretField()
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    #: After a rotation: until when it is still accepted. Null: the current one.
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source"], condition=models.Q(expires_at=None), name="one_current_credential"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.source}"

    def save(self, *args: object, **kwargs: object) -> None:
        if not self.secret:
            # Segment's write keys have 32 characters.
            is_write_key = self.kind == CredentialKind.WRITE_KEY
            self.secret = secrets.token_hex(16) if is_write_key else secrets.token_urlsafe(32)
        self.digest = digest(self.secret)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def is_valid(self) -> bool:
        return self.expires_at is None or self.expires_at > timezone.now()


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
    #: Where email events arrive. Its token is part of the event callback URL that we register; whoever presents it is Mailjet.
    event_source = models.OneToOneField(Source, models.PROTECT, related_name="mailjet_account")
    #: The sender puts the userId into the CustomID of each message: email events are that person's.
    custom_id_is_user_id = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "api_url", "api_key"], name="account_is_unique")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def events_token(self) -> str:
        return self.event_source.current_key


class AppConnection(models.Model):
    """The "Segment" block of a Mailjet account."""

    account = models.ForeignKey(MailjetAccount, models.CASCADE, related_name="app_connections")
    list_id = models.BigIntegerField()
    list_name = models.CharField(max_length=200)
    #: Where calls that present the authentication key arrive, which is this source's key.
    source = models.OneToOneField(Source, models.PROTECT, related_name="app_connection")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "list_id"], name="connection_is_unique")]

    def __str__(self) -> str:
        return f"{self.account} → {self.list_name}"

    @property
    def authentication_key(self) -> str:
        return self.source.current_key

    @property
    def previous_key_until(self) -> datetime | None:
        """Until when the key before the last rotation is valid."""
        return self.source.previous.expires_at if self.source.previous else None


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
