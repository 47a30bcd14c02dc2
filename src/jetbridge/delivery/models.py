"""Tables of the delivery engine. Hot statements on them are SQL in `ledger.py`.

Plain numbers instead of foreign keys, because the rows of a removed destination stay as its account.
"""

from django.db import models


class Reading(models.Model):
    """How far a destination (or a source that works on the log) has come. One row per reader."""

    reader = models.CharField(max_length=40, primary_key=True)  # "destination:3", "source:2"
    position = models.BigIntegerField()
    hold_code = models.CharField(max_length=60, default="")
    hold_reason = models.TextField(default="")
    held_at = models.DateTimeField(null=True)


class ReadingSource(models.Model):
    """Per source of a destination: the log's total when reading began, and how many were read since."""

    destination_id = models.BigIntegerField()
    source_id = models.BigIntegerField()
    baseline = models.BigIntegerField()
    consumed = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["destination_id", "source_id"], name="one_per_source")]


class Outcome(models.Model):
    """Messages of a destination that came to an end, counted by outcome and reason."""

    destination_id = models.BigIntegerField()
    outcome = models.CharField(max_length=10)
    reason = models.CharField(max_length=60)
    total = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["destination_id", "outcome", "reason"], name="one_per_outcome_and_reason"
            )
        ]


class ExhibitRow(models.Model):
    """See `tally.Exhibit`."""

    destination_id = models.BigIntegerField()
    outcome = models.CharField(max_length=10)
    reason = models.CharField(max_length=60)
    sentence = models.TextField()
    position = models.BigIntegerField()
    total = models.BigIntegerField()
    message_id = models.CharField(max_length=200)
    person = models.TextField()
    request = models.TextField()
    answer = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "delivery_exhibit"
        indexes = [
            models.Index(fields=["destination_id", "outcome", "reason", "-id"], name="exhibit_listing")
        ]
