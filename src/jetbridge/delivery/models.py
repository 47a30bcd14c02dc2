"""Tables of the delivery engine. Hot statements on them are SQL in `ledger.py`.

Plain numbers instead of foreign keys, because the rows of a removed destination stay as its account.
"""

from django.db import models


def destination_consumer(destination: int) -> str:
    """The name under which a destination reads the log."""
    return f"destination:{destination}"


def source_consumer(source: int) -> str:
    """The name under which a source reads the log, if it makes calls of other records."""
    return f"source:{source}"


class ConsumerOffset(models.Model):
    """How far a destination (or a source that works on the log) has come. One row per consumer."""

    consumer = models.CharField(max_length=40, primary_key=True)  # "destination:3", "source:2"
    position = models.BigIntegerField()
    pause_code = models.CharField(max_length=60, default="")
    pause_reason = models.TextField(default="")
    paused_at = models.DateTimeField(null=True)
    #: When a person last resumed it; null once something has succeeded, or it is paused anew.
    resumed_at = models.DateTimeField(null=True)
    #: The last answer for which it waits and tries again, and since when; empty once something gets through.
    last_error = models.TextField(default="")
    retrying_since = models.DateTimeField(null=True)
    #: Identity of the log in which the position means something, and the mark of the record that is there
    #: (`eventlog.base.mark`); empty: not known yet.
    log = models.CharField(max_length=32, default="")
    mark = models.CharField(max_length=32, default="")
    #: Of a source, of its email events up to the position: those that became no call, because Mailjet had sent them before; those
    #: that failed; and those that had failed and were read again.
    repeated = models.BigIntegerField(default=0, db_default=0)
    failed = models.BigIntegerField(default=0, db_default=0)
    retried = models.BigIntegerField(default=0, db_default=0)
    #: The end of the log when the position was stored: what the source's reader has appended after it comes again. Null: not known.
    made_upto = models.BigIntegerField(null=True)


class HeartbeatRow(models.Model):
    """How a thread of the worker does, written by the worker every few seconds; see `threads.py`."""

    thread = models.CharField(max_length=250, primary_key=True)
    #: Number of the worker's process.
    process = models.IntegerField()
    #: When the thread last moved, or was last said to wait.
    beaten_at = models.DateTimeField()
    #: Deaths in a row, since when, and what the last one was of.
    deaths = models.IntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    error = models.TextField(default="")
    #: Ids of the destinations that stand still without it, as a JSON list.
    destinations = models.JSONField(default=list)

    class Meta:
        db_table = "delivery_heartbeat"


class PauseRow(models.Model):
    """One pause of a reader, from its first word to its end."""

    consumer = models.CharField(max_length=40)
    code = models.CharField(max_length=60)
    reason = models.TextField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    #: A person resumed it; else its cause went away.
    by_hand = models.BooleanField(default=False)

    class Meta:
        db_table = "delivery_pause"
        indexes = [models.Index(fields=["consumer", "-id"], name="pauses_newest_first")]


class SourceOffset(models.Model):
    """A source that a destination reads or has read: which records of it are the destination's, and how many were read."""

    destination_id = models.BigIntegerField()
    source_id = models.BigIntegerField()
    #: `Source.kind`, for what is left to read of a source that is gone.
    kind = models.CharField(max_length=20, default="")
    #: [after, upto] for each time it was connected: ends of the log at those moments. The last upto is null while it is.
    ranges = models.JSONField(default=list)
    #: Messages of the source that the log took outside of the ranges, up to the end of the last one.
    baseline = models.BigIntegerField()
    #: Messages of the source that the log had taken when it was disconnected; null while it is connected.
    ended_total = models.BigIntegerField(null=True)
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


class DeliveryRecordRow(models.Model):
    """See `base.DeliveryRecord`."""

    destination_id = models.BigIntegerField()
    outcome = models.CharField(max_length=10)
    reason = models.CharField(max_length=60)
    detail = models.TextField()
    position = models.BigIntegerField()
    total = models.BigIntegerField()
    message_id = models.CharField(max_length=200)
    person = models.TextField()
    request = models.TextField()
    response = models.TextField()
    at = models.DateTimeField()
    #: The message as the log had it; null where it merged with others, or was filtered.
    body = models.BinaryField(null=True)

    class Meta:
        db_table = "delivery_record"
        indexes = [
            models.Index(fields=["destination_id", "outcome", "reason", "-id"], name="record_listing"),
            models.Index(fields=["destination_id", "position"], name="record_of_message"),
            models.Index(fields=["destination_id", "person"], name="record_of_person"),
        ]


class RetryEntry(models.Model):
    """A message that a person wants delivered again after it failed, or that its destination has postponed; `total`
    messages merged into it.
    """

    destination_id = models.BigIntegerField()
    position = models.BigIntegerField()
    total = models.BigIntegerField()
    source_id = models.BigIntegerField()
    body = models.BinaryField()
    requested_at = models.DateTimeField(auto_now_add=True, null=True)
    #: Postponed until then; null: at once.
    not_before = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery_retryentry"
        indexes = [
            models.Index(fields=["destination_id", "id"], name="retry_entries_in_order"),
            models.Index(fields=["destination_id", "position"], name="retry_entry_of_message"),
        ]


class Replay(models.Model):
    """A span of the log that one destination reads once more: after `after`, up to `upto`."""

    destination_id = models.BigIntegerField()
    #: Messages of this source only; null: of all.
    source_id = models.BigIntegerField(null=True)
    after = models.BigIntegerField()
    #: How far it has come.
    position = models.BigIntegerField()
    upto = models.BigIntegerField()
    #: Messages in the span when it was asked for, and how many of them were read again.
    messages = models.BigIntegerField()
    done = models.BigIntegerField(default=0)
    requested_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)


class SyncRow(models.Model):
    """The syncs of a destination that has a schedule: the one under way or the last, and the next."""

    destination_id = models.BigIntegerField(primary_key=True)
    #: The first moment of the schedule after this one is due. Null while its consumer has not begun.
    counted_from = models.DateTimeField(null=True)
    #: When somebody asked for a sync that has not begun.
    requested_at = models.DateTimeField(null=True)
    #: Of the latest; `ended_at` is null while it is under way.
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    #: It reads the log after `after` up to `upto`.
    after = models.BigIntegerField(default=0)
    upto = models.BigIntegerField(default=0)
    #: Segment's `delete` calls that the log had taken of its sources by then.
    deletes = models.BigIntegerField(default=0)

    class Meta:
        db_table = "delivery_sync"


class MetricBucket(models.Model):
    """Messages of a destination in one minute: received then (and read since), or come to an end then."""

    destination_id = models.BigIntegerField()
    #: Minutes since 1970; after a day the hour's first.
    minute = models.BigIntegerField()
    outcome = models.CharField(max_length=10)
    reason = models.CharField(max_length=60, default="")
    total = models.BigIntegerField()

    class Meta:
        db_table = "delivery_metricbucket"
        constraints = [
            models.UniqueConstraint(
                fields=["destination_id", "minute", "outcome", "reason"], name="one_per_minute_and_reason"
            )
        ]


class LatencyBucket(models.Model):
    """How long the delivered messages of one minute took, as a histogram; see `metrics.bucket`."""

    destination_id = models.BigIntegerField()
    minute = models.BigIntegerField()
    bucket = models.IntegerField()
    total = models.BigIntegerField()

    class Meta:
        db_table = "delivery_latencybucket"
        constraints = [
            models.UniqueConstraint(fields=["destination_id", "minute", "bucket"], name="one_per_bucket")
        ]
