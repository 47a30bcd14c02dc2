"""Who uses the console and the API: people, their roles in workspaces, and what they did there.

Tokens are kept as digests only; whoever made one sees it once. Loaded by `models.py`, where Django looks.
"""

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone
from django.utils.module_loading import import_string

from jetbridge.spec.emails import normalise, spellings, written

#: How long an invitation can be accepted.
INVITATION_DAYS = 7


class Role(models.TextChoices):
    """What a member of a workspace may do. Each role may do what the ones after it may."""

    OWNER = "owner", "Owner"  # people, tokens, and everything below
    EDITOR = "editor", "Editor"  # change sources, destinations, app connections; reveal keys
    VIEWER = "viewer", "Viewer"  # see everything but secrets

    def allows(self, role: "Role") -> bool:
        """Whether a member with this role may do what `wanted` may."""
        order = list(Role)
        return order.index(self) <= order.index(role)


class Users(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None, name: str = "") -> "User":
        """Without a password nobody can log in as this user."""
        user = self.model(email=plain_email(email), name=name.strip())
        user.set_password(password)
        user.save()
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """By either spelling of an internationalised domain: earlier versions told them apart."""
        user = self.filter(email__in=spellings(plain_email(username or ""))).order_by("id").first()
        if user is None:
            raise self.model.DoesNotExist
        return user


class User(AbstractBaseUser):
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = Users()
    USERNAME_FIELD = EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.name or self.email


class Membership(models.Model):
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey("control.Workspace", models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "workspace"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user}, {self.role} of {self.workspace}"

    def may(self, role: Role) -> bool:
        return Role(self.role).allows(role)


def invitation_end() -> datetime:
    return timezone.now() + timedelta(days=INVITATION_DAYS)


class Invitation(models.Model):
    """One place in a workspace for whoever has the link. Gone once it was accepted."""

    workspace = models.ForeignKey("control.Workspace", models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role.choices)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=invitation_end)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "email"], name="invited_once")]

    def __str__(self) -> str:
        return f"{self.email}, {self.role} of {self.workspace}"


class ApiToken(models.Model):
    """Lets a program do in a workspace what a member with this role may."""

    workspace = models.ForeignKey("control.Workspace", models.CASCADE, related_name="api_tokens")
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=10, choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True)
    #: Its last characters: enough for a person to tell two tokens apart.
    ending = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} (…{self.ending})"


class AuditEntry(models.Model):
    """Who changed what. Never a secret."""

    workspace = models.ForeignKey("control.Workspace", models.CASCADE, related_name="audit_entries")
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    #: The user as named then; stays when the user goes.
    who = models.CharField(max_length=254)
    #: What was done to which kind of thing: "destination.enabled".
    action = models.CharField(max_length=60)
    thing_id = models.BigIntegerField(null=True)
    #: The thing as named then; stays when the thing goes.
    thing = models.CharField(max_length=400)
    details = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="audit_newest_first")]

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.thing}"


class Session(AbstractBaseSession):
    """A browser that pages know: see sessions.py. Without a user nobody has logged in with it."""

    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    #: From where and by what it was used last.
    address = models.CharField(max_length=45)
    user_agent = models.CharField(max_length=300)
    last_seen_at = models.DateTimeField()

    class Meta(AbstractBaseSession.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"a session of {self.user}"  # its key lets whoever reads it in

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        return import_string(f"{settings.SESSION_ENGINE}.SessionStore")  # type: ignore[no-any-return]


class LoginFailure(models.Model):
    """A try at a password, or a link to a new one that was asked for: see console/auth/throttle.py. `email_digest` is of
    the account or of a known device.
    """

    email_digest = models.CharField(max_length=64)
    address = models.CharField(max_length=45)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["email_digest", "at"], name="login_failure_of_email"),
            models.Index(fields=["address", "at"], name="login_failure_of_address"),
        ]


def plain_email(text: str) -> str:
    """The spelling under which a user is found: nobody remembers which letters were capitals."""
    return normalise(text) or written(text)
