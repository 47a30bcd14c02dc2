"""What people define with Engage. Who is in an audience now stands in the workspace's own file: see `store.py`."""

import secrets
from collections.abc import Mapping
from typing import Final

from django.db import models

from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.integrations.base import ValueType

#: What a computed trait sends, by its kind; None: not known beforehand.
VALUE_TYPES: Final[Mapping[str, ValueType | None]] = {
    "event_counter": ValueType.INTEGER,
    "unique_list_count": ValueType.INTEGER,
    "sum": ValueType.NUMBER,
    "avg": ValueType.NUMBER,
    "min": ValueType.NUMBER,
    "max": ValueType.NUMBER,
    "unique_list": ValueType.ARRAY,
    "most_frequent": None,
    "first": None,
    "last": None,
    "first_seen": ValueType.DATE_TIME,
    "last_seen": ValueType.DATE_TIME,
}


def new_space_id() -> str:
    return f"spa_{secrets.token_urlsafe(16)}"


def new_computation_id() -> str:
    return f"cmp_{secrets.token_urlsafe(16)}"


class Space(models.Model):
    """Engage of one workspace. Without a row it was never switched on. Disabled it reads nothing and sends nothing."""

    workspace = models.OneToOneField(Workspace, models.CASCADE, related_name="engage")
    #: `context.personas.space_id` and `namespace` of every call.
    space_id = models.CharField(max_length=40, unique=True, default=new_space_id)
    enabled = models.BooleanField(default=True)
    #: An event is kept for the longest window of any definition, at least 90 days and at most this long.
    retention_days = models.IntegerField(default=1_095)
    #: Where its calls stand in the event log.
    source = models.OneToOneField(Source, models.PROTECT, related_name="engage_space")
    #: Sources of the workspace that it does not read.
    excluded_sources = models.ManyToManyField(Source, related_name="+")
    #: Messages in the log before the switch are read once it was asked for.
    history_requested_at = models.DateTimeField(null=True)
    #: That of its file, once there is one: a file that is missing was lost.
    store_id = models.CharField(max_length=32, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Engage of {self.workspace}"

    def present_computations(self) -> "list[Computation]":
        """The audiences and computed traits that are not deleted, the oldest first."""
        return list(self.computations.filter(deleted_at=None).order_by("id"))


class ComputationClass(models.TextChoices):
    """`context.personas.computation_class`."""

    AUDIENCE = "audience", "Audience"
    TRAIT = "trait", "Computed trait"


class Computation(models.Model):
    """An audience or a computed trait. It stays as a row when it is deleted: a key is never used again."""

    space = models.ForeignKey(Space, models.CASCADE, related_name="computations")
    computation_class = models.CharField(max_length=10, choices=ComputationClass.choices)
    computation_id = models.CharField(max_length=40, unique=True, default=new_computation_id)
    name = models.CharField(max_length=200)
    #: The trait by which destinations know it: snake_case of the first name. It never changes.
    key = models.CharField(max_length=200)
    #: As `definition.parse` reads it.
    definition = models.JSONField()
    #: Grows with each change of the definition.
    version = models.IntegerField(default=1)
    #: Whether events from before its creation count.
    include_history = models.BooleanField(default=True)
    #: Whether people count who are known by an anonymousId alone.
    include_anonymous = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)
    #: With its deletion, whoever was sent true is sent false (null for a computed trait).
    clears_members = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["space", "key"], name="engage_key_is_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def value_type(self) -> ValueType | None:
        """What it sends; None: not known beforehand."""
        if self.computation_class == ComputationClass.AUDIENCE:
            return ValueType.BOOLEAN
        return VALUE_TYPES[self.definition["computed"]]


class DefinitionVersion(models.Model):
    """A definition as it was, and who wrote it."""

    computation = models.ForeignKey(Computation, models.CASCADE, related_name="versions")
    version = models.IntegerField()
    definition = models.JSONField()
    written_by = models.CharField(max_length=200, blank=True)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["computation", "version"], name="engage_version_is_unique")
        ]


class Activation(models.Model):
    """A destination to which an audience or computed trait is sent."""

    computation = models.ForeignKey(Computation, models.CASCADE, related_name="activations")
    destination = models.ForeignKey(Destination, models.CASCADE, related_name="engage_activations")
    #: Whether members who are no contacts there are added, where the destination has contacts.
    adds_members = models.BooleanField(default=False)
    #: The Mailjet contacts list that follows the members; null without one.
    list_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["computation", "destination"], name="engage_activated_once")
        ]
