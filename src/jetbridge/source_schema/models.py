"""Tables of the schema. Hot statements on them are SQL in `reader.py`.

Plain numbers instead of foreign keys, as in delivery: a source may go while its records are still in the log.
"""

from django.db import models

#: The consumer that keeps the schema, by its name in `ConsumerOffset`.
READER = "schema"


class MetricBucket(models.Model):
    """Records of a source that were received in one minute, and between which positions of the log they are."""

    source_id = models.BigIntegerField()
    #: Minutes since 1970.
    minute = models.BigIntegerField()
    messages = models.BigIntegerField()
    #: Items that failed on ingest.
    invalid = models.BigIntegerField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    #: When the last one was received (ms).
    last_at = models.BigIntegerField()

    class Meta:
        db_table = "source_schema_minute"
        constraints = [
            models.UniqueConstraint(fields=["source_id", "minute"], name="one_per_source_and_minute")
        ]
        indexes = [models.Index(fields=["source_id", "-last"], name="minutes_from_the_end")]


class NameRow(models.Model):
    """An event, or a trait or property that came with one. `event` is empty for calls without an event,
    `name` for the event (or the call type) itself.
    """

    source_id = models.BigIntegerField()
    type = models.CharField(max_length=10)
    event = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    total = models.BigIntegerField()
    #: Kinds of values seen: the sum of `names.Kind`.
    kinds = models.IntegerField()
    first_at = models.BigIntegerField()
    last_at = models.BigIntegerField()

    class Meta:
        db_table = "source_schema_name"
        constraints = [
            models.UniqueConstraint(fields=["source_id", "type", "event", "name"], name="name_once")
        ]
