"""The tables of backfills, and of what the callbacks of each account were found to be."""

from django.db import models

from jetbridge.control.models import MailjetAccount


class State(models.TextChoices):
    RUNNING = "running", "Running"
    ENDED = "ended", "Ended"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Backfill(models.Model):
    """Mailjet's message history, read for events that callbacks have missed. It names nobody."""

    account = models.ForeignKey(MailjetAccount, models.CASCADE, related_name="backfills")
    #: Of messages that arrived at Mailjet in this time.
    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    asked_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    #: How many messages Mailjet has counted, and how many were gone through.
    messages = models.BigIntegerField()
    done = models.BigIntegerField(default=0)
    #: The last one that was gone through, by its MessageID: a worker that dies goes on after it.
    last_message = models.BigIntegerField(default=0)
    #: Calls to Mailjet that were answered.
    calls = models.BigIntegerField(default=0)
    #: Events that were added to the log, that it had, and of nobody: without an address, or of a person who was forgotten.
    added = models.BigIntegerField(default=0)
    known = models.BigIntegerField(default=0)
    left_out = models.BigIntegerField(default=0)
    #: Messages whose history could not be read.
    unreadable = models.BigIntegerField(default=0)
    #: Why it does not get on now; empty while it does.
    waits_for = models.TextField(default="")
    #: Why it came to nothing; empty if it did not.
    problem = models.TextField(default="")

    class Meta:
        db_table = "mailjet_backfill"
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                name="one_running_backfill",
                condition=models.Q(state="running"),
            )
        ]
        indexes = [models.Index(fields=["account", "-id"], name="backfills_newest_first")]


class CallbackWatch(models.Model):
    """What is known of one account's callbacks (`missed.py`)."""

    account = models.OneToOneField(
        MailjetAccount, models.CASCADE, primary_key=True, related_name="callback_watch"
    )
    watched_since = models.DateTimeField()
    #: When they were registered last, as far as anybody looked.
    ok_at = models.DateTimeField(null=True)
    #: When the list of messages was read last, and up to when it has told of events that did not come.
    looked_at = models.DateTimeField(null=True)
    seen_upto = models.DateTimeField(null=True)
    #: Since when events were missed, when that was noticed, and why.
    missed_since = models.DateTimeField(null=True)
    noticed_at = models.DateTimeField(null=True)
    reason = models.TextField(default="")

    class Meta:
        db_table = "mailjet_callback_watch"
