import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("control", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallbackWatch",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="callback_watch",
                        serialize=False,
                        to="control.mailjetaccount",
                    ),
                ),
                ("watched_since", models.DateTimeField()),
                ("ok_at", models.DateTimeField(null=True)),
                ("checked_at", models.DateTimeField(null=True)),
                ("checked_until", models.DateTimeField(null=True)),
                ("missed_since", models.DateTimeField(null=True)),
                ("noticed_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(default="")),
            ],
            options={
                "db_table": "mailjet_callback_watch",
            },
        ),
        migrations.CreateModel(
            name="UnreadableRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("contact_id", models.BigIntegerField(unique=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "mailjet_unreadable",
            },
        ),
        migrations.CreateModel(
            name="ComputedAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("user_id", models.TextField()),
                ("email", models.TextField()),
            ],
            options={
                "db_table": "mailjet_computed_address",
                "indexes": [models.Index(fields=["account_id", "email"], name="computed_address_by_email")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account_id", "user_id", "email"), name="computed_address_is_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("email", models.TextField()),
                ("desired", models.BinaryField()),
                ("delivered", models.BinaryField()),
                ("pending", models.BinaryField(null=True)),
                ("next_attempt_at", models.BigIntegerField(null=True)),
                ("attempts", models.IntegerField(default=0)),
                ("first_failed_at", models.BigIntegerField(null=True)),
                ("sent", models.BinaryField(null=True)),
                ("job_id", models.BigIntegerField(null=True)),
                ("history", models.BinaryField(null=True)),
                ("synced_at", models.BigIntegerField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["account_id", "next_attempt_at"],
                        name="contact_is_due",
                    ),
                    models.Index(
                        condition=models.Q(("job_id__isnull", False)),
                        fields=["account_id", "job_id"],
                        name="contact_is_in_job",
                    ),
                    models.Index(
                        condition=models.Q(("synced_at__isnull", False)),
                        fields=["account_id", "synced_at"],
                        name="contact_was_synced",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("account_id", "email"), name="contact_is_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("job_id", models.BigIntegerField()),
                ("list_id", models.BigIntegerField(null=True)),
                ("contacts", models.IntegerField()),
                ("started_at", models.DateTimeField(auto_now_add=True)),
                ("given_up_at", models.BigIntegerField(null=True)),
                ("carried", models.BinaryField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account_id", "job_id"), name="job_is_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="Person",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("user_id", models.TextField()),
                ("email", models.TextField(null=True)),
                ("email_since", models.BigIntegerField(default=0)),
                ("email_time", models.BigIntegerField(default=0)),
                ("profile", models.BinaryField(null=True)),
                ("former", models.BinaryField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account_id", "user_id"), name="person_is_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="ReplacedList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("destination_id", models.BigIntegerField()),
                ("list_id", models.BigIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["account_id"], name="replaced_list_of_account")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("destination_id", "list_id"), name="replaced_list_is_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RejectedValue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("property", models.TextField()),
                ("message", models.TextField()),
                ("total", models.BigIntegerField(default=0)),
                ("email", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account_id", "property", "message"), name="rejected_value_is_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TraitName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("destination_id", models.BigIntegerField()),
                ("trait", models.TextField()),
                ("property", models.TextField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("destination_id", "trait"), name="trait_has_one_property")
                ],
            },
        ),
        migrations.CreateModel(
            name="Backfill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("ended", "Ended"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="running",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField(auto_now_add=True)),
                ("begun_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("messages", models.BigIntegerField()),
                ("done", models.BigIntegerField(default=0)),
                ("last_message", models.BigIntegerField(default=0)),
                ("calls", models.BigIntegerField(default=0)),
                ("added", models.BigIntegerField(default=0)),
                ("known", models.BigIntegerField(default=0)),
                ("skipped", models.BigIntegerField(default=0)),
                ("unreadable", models.BigIntegerField(default=0)),
                ("waits_for", models.TextField(default="")),
                ("problem", models.TextField(default="")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="backfills",
                        to="control.mailjetaccount",
                    ),
                ),
            ],
            options={
                "db_table": "mailjet_backfill",
                "indexes": [models.Index(fields=["account", "-id"], name="backfills_newest_first")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "running")),
                        fields=("account",),
                        name="one_running_backfill",
                    )
                ],
            },
        ),
    ]
