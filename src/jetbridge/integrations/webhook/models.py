"""What is kept for webhooks besides their settings."""

from django.db import models


class Deletion(models.Model):
    """A userId that a receiver has to delete. Once it was sent, the userId is gone from here."""

    destination_id = models.BigIntegerField()
    #: Keyed digest of the userId (`privacy.suppression`).
    digest = models.CharField(max_length=64)
    user_id = models.TextField()
    requested_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["destination_id", "digest"], name="webhook_one_deletion")
        ]


class Cut(models.Model):
    """The messages of one request that is not completed: see `webhook.cuts`."""

    destination_id = models.BigIntegerField()
    #: Position of its first message, and of all.
    first = models.BigIntegerField()
    positions = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["destination_id", "first"], name="webhook_one_cut")]
