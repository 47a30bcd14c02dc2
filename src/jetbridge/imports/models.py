"""The table of imports. The files are beside the databases: see `store`."""

from typing import Any

from django.db import models

from jetbridge.control.models import Source


class State(models.TextChoices):
    """As far as an import is. The worker ends the first and the third, a person the second."""

    READING = "reading", "Being read"
    READY = "ready", "To be confirmed"
    RUNNING = "running", "Under way"
    ENDED = "ended", "Ended"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


OPEN = (State.READING, State.READY, State.RUNNING)


class Import(models.Model):
    """A file of people that a person has uploaded for a source."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="imports")
    #: What the person calls the file.
    name = models.CharField(max_length=200)
    size = models.BigIntegerField()
    options: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.READING)
    created_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    #: How much of what is under way is done, told in bytes of the file.
    done = models.BigIntegerField(default=0)
    #: Up to this row the event log has everything: a line of the file, of a JSON array an item.
    place = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    #: What was found in the file, as JSON: of people, so it goes when the file goes. Empty: nothing yet, or gone.
    about = models.TextField(default="")
    #: Why it came to nothing; empty if it did not.
    problem = models.TextField(default="")

    class Meta:
        db_table = "imports_import"
        indexes = [
            models.Index(fields=["source", "-id"], name="imports_newest_first"),
            models.Index(
                fields=["id"],
                name="imports_open",
                condition=models.Q(state__in=["reading", "ready", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_busy(self) -> bool:
        """The worker has something to do with it."""
        return self.state in {State.READING, State.RUNNING}
