"""Tables of suppression and erasure. Plain numbers instead of foreign keys, as in delivery."""

from django.db import models


class Suppression(models.Model):
    """A userId or an address of which a workspace takes no messages any more, as a keyed digest."""

    workspace_id = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace_id", "digest"], name="suppressed_once")]


class Erasure(models.Model):
    """One person to be forgotten, and the receipt of what was done where."""

    workspace_id = models.BigIntegerField()
    #: Who, while it is under way; emptied at its end.
    users = models.JSONField(default=list)
    emails = models.JSONField(default=list)
    #: Keyed digest of what was asked for, to find the receipt by.
    digest = models.CharField(max_length=64)
    #: The destination that read the Segment call that asked for it: delivered when all is done.
    destination_id = models.BigIntegerField(null=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    #: The end of the log when suppression began: up to here readers may have seen the person.
    log_end = models.BigIntegerField(null=True)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    #: While it is under way: what it waits for. It names nobody.
    waits_for = models.TextField(default="")
    receipt = models.JSONField(default=list)

    class Meta:
        indexes = [
            models.Index(fields=["workspace_id", "digest"], name="erasure_by_digest"),
            models.Index(fields=["id"], name="erasure_is_open", condition=models.Q(ended_at__isnull=True)),
        ]
