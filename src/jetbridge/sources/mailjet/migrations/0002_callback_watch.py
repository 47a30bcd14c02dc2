import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the callbacks of each account were found to be, and what was missed."""

    dependencies = [("control", "0001_first"), ("mailjet_events", "0001_first")]

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
                ("looked_at", models.DateTimeField(null=True)),
                ("seen_upto", models.DateTimeField(null=True)),
                ("missed_since", models.DateTimeField(null=True)),
                ("noticed_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(default="")),
            ],
            options={"db_table": "mailjet_callback_watch"},
        )
    ]
