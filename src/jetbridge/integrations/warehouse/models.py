"""What Jetbridge knows of its warehouses beside what is in them. It goes when the destination is removed; the warehouse itself stays.

Plain numbers instead of foreign keys: rows are written by the thousand, and SQLite would look up a destination for each.
"""

from django.db import models


class Schema(models.Model):
    """The schema that holds the tables of one source. It stays when the source is renamed."""

    destination_id = models.BigIntegerField()
    source_id = models.BigIntegerField()
    name = models.CharField(max_length=63)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["destination_id", "source_id"], name="one_schema_per_source"),
            models.UniqueConstraint(fields=["destination_id", "name"], name="one_source_per_schema"),
        ]


class Run(models.Model):
    """One load, several in a row that failed alike, or one sync of a schedule. Names of tables are `schema.table`."""

    destination_id = models.BigIntegerField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    #: How often it was tried with the same error.
    attempts = models.IntegerField(default=1)
    #: When the sync began, if the destination is on a schedule: all its loads are one run.
    sync_began_at = models.DateTimeField(null=True)
    messages = models.IntegerField(default=0)
    #: Rows added or changed, and values rejected, by table.
    rows = models.JSONField(default=dict)
    rejected = models.JSONField(default=dict)
    #: Messages that wait for a table, and by table the reason.
    waiting = models.IntegerField(default=0)
    problems = models.JSONField(default=dict)
    #: Why nothing was loaded.
    error = models.TextField(default="")

    class Meta:
        indexes = [models.Index(fields=["destination_id", "-id"], name="warehouse_runs_newest")]

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.began_at).total_seconds()


class Table(models.Model):
    """A table as it was after the last load. `rows` are those that Jetbridge has added, less those that it erased."""

    destination_id = models.BigIntegerField()
    schema = models.CharField(max_length=63)
    name = models.CharField(max_length=63)
    rows = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    #: Type by column.
    columns = models.JSONField(default=dict)
    loaded_at = models.DateTimeField(null=True)
    #: Why it is not loaded, and what to do; empty if it is.
    problem = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["destination_id", "schema", "name"], name="one_per_table")
        ]


class FileOwner(models.Model):
    """The workspace that has loaded a file or a folder of files. It stays when the destination is removed, as the files do."""

    path = models.TextField(unique=True)
    workspace_id = models.BigIntegerField()


class ErasedRows(models.Model):
    """Rows deleted for one person, until the receipt is written. The person is a keyed digest."""

    destination_id = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    #: By `schema.table`.
    rows = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["destination_id", "digest"], name="one_per_erased_person")
        ]
