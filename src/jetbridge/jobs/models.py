"""Tables of background jobs. Plain numbers instead of foreign keys, as in delivery."""

from django.db import models


class Task(models.Model):
    """Something long that a person has requested for a destination, done by the worker."""

    destination_id = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    options = models.JSONField(default=dict)
    requested_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    #: How much is done, of how much in all; null: not known yet.
    done = models.BigIntegerField(default=0)
    expected = models.BigIntegerField(null=True)
    #: Why it came to nothing; empty if it did not.
    problem = models.TextField(default="")
    #: JSON, as text so that an erasure can look through it; empty until the end.
    result = models.TextField(default="")

    class Meta:
        indexes = [
            models.Index(fields=["destination_id", "kind", "-id"], name="tasks_newest_first"),
            models.Index(fields=["id"], name="tasks_to_do", condition=models.Q(ended_at__isnull=True)),
        ]
