"""Tables of Mailjet: contact state, backfills of email events, callbacks. Hot statements on contact state are SQL in `contacts/queries.py`."""

from django.db import models

from jetbridge.control.models import MailjetAccount


class Person(models.Model):
    """The address known for a userId at one Mailjet account."""

    account_id = models.BigIntegerField()
    user_id = models.TextField()
    email = models.TextField(null=True)  # noqa: DJ001 - "" is not the same as not known
    #: When the address was named first and last (ms).
    email_since = models.BigIntegerField(default=0)
    email_time = models.BigIntegerField(default=0)
    #: What the calls of the user brought (`state.Profile`), while no contact is this user's alone; null: the contact holds it.
    profile = models.BinaryField(null=True)
    #: Addresses the user had before, as a JSON object: when each was named first and last (ms); null: none.
    former = models.BinaryField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id"], name="person_is_unique")]


class ComputedAddress(models.Model):
    """An address that calls of Engage named with a userId, which no other call has: how a user leads to it."""

    account_id = models.BigIntegerField()
    user_id = models.TextField()
    email = models.TextField()

    class Meta:
        db_table = "mailjet_computed_address"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "user_id", "email"], name="computed_address_is_unique"
            )
        ]
        indexes = [models.Index(fields=["account_id", "email"], name="computed_address_by_email")]


class Contact(models.Model):
    """Contact state for one address at one Mailjet account. Times in ms since 1970."""

    account_id = models.BigIntegerField()
    email = models.TextField()
    desired = models.BinaryField()
    delivered = models.BinaryField()
    #: Messages merged and not acknowledged yet, by destination and list (`pending.Pending`); null: none.
    pending = models.BinaryField(null=True)
    #: When reconcile should look at it; null: acknowledged, or carried by a job.
    next_attempt_at = models.BigIntegerField(null=True)
    #: Attempts that failed since it was last acknowledged.
    attempts = models.IntegerField(default=0)
    #: When the first of these attempts was; null: none failed.
    first_failed_at = models.BigIntegerField(null=True)
    #: What was sent to Mailjet last (`contact.Sent`), until the response is acknowledged; unconfirmed if no job carries it.
    sent = models.BinaryField(null=True)
    job_id = models.BigIntegerField(null=True)
    #: The last calls and jobs that acknowledged it (`pending.HistoryEntry`); null: none yet.
    history = models.BinaryField(null=True)
    #: When reconcile last was done with it; null: never.
    synced_at = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "email"], name="contact_is_unique")]
        indexes = [
            models.Index(
                fields=["account_id", "next_attempt_at"],
                name="contact_is_due",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
            models.Index(
                fields=["account_id", "job_id"],
                name="contact_is_in_job",
                condition=models.Q(job_id__isnull=False),
            ),
            models.Index(
                fields=["account_id", "synced_at"],
                name="contact_was_synced",
                condition=models.Q(synced_at__isnull=False),
            ),
        ]


class Job(models.Model):
    """A managemanycontacts job that has been started and has not ended yet."""

    account_id = models.BigIntegerField()
    job_id = models.BigIntegerField()
    #: The list in the job's address; null for a job of several lists.
    list_id = models.BigIntegerField(null=True)
    contacts = models.IntegerField()
    started_at = models.DateTimeField(auto_now_add=True)
    #: When it was given up because it did not end (ms); null: it is followed.
    given_up_at = models.BigIntegerField(null=True)
    #: Ids of the contacts that it carried when it was given up, as a JSON list.
    carried = models.BinaryField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "job_id"], name="job_is_unique")]


class RejectedValue(models.Model):
    """Values that the Datatype of a property rejects, counted, with the last contact as an example."""

    account_id = models.BigIntegerField()
    property = models.TextField()
    message = models.TextField()
    total = models.BigIntegerField(default=0)
    email = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "property", "message"], name="rejected_value_is_unique"
            )
        ]


class TraitName(models.Model):
    """Which traits go to which property at a destination, as seen so far."""

    destination_id = models.BigIntegerField()
    trait = models.TextField()
    property = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["destination_id", "trait"], name="trait_has_one_property")
        ]


class UnreadableRow(models.Model):
    """A contact whose stored state could not be read (`unreadable.py`)."""

    account_id = models.BigIntegerField()
    contact_id = models.BigIntegerField(unique=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "mailjet_unreadable"


class ReplacedList(models.Model):
    """A contacts list that is not there any more, and that a destination was set to before it got another one.

    What waits for it as the destination's list goes to the one that the destination is set to now.
    """

    account_id = models.BigIntegerField()
    destination_id = models.BigIntegerField()
    list_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["destination_id", "list_id"], name="replaced_list_is_unique")
        ]
        indexes = [models.Index(fields=["account_id"], name="replaced_list_of_account")]


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
    requested_at = models.DateTimeField(auto_now_add=True)
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
    skipped = models.BigIntegerField(default=0)
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
    """What is known of one account's callbacks (`events/missed_events.py`)."""

    account = models.OneToOneField(
        MailjetAccount, models.CASCADE, primary_key=True, related_name="callback_watch"
    )
    watched_since = models.DateTimeField()
    #: When they were registered last, as far as anybody looked.
    ok_at = models.DateTimeField(null=True)
    #: When the list of messages was read last, and up to when it has told of events that did not come.
    checked_at = models.DateTimeField(null=True)
    checked_until = models.DateTimeField(null=True)
    #: Since when events were missed, when that was noticed, and why.
    missed_since = models.DateTimeField(null=True)
    noticed_at = models.DateTimeField(null=True)
    reason = models.TextField(default="")

    class Meta:
        db_table = "mailjet_callback_watch"
