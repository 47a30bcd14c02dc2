from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0004_minutes"),
    ]

    operations = [
        migrations.CreateModel(
            name="HoldRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reader", models.CharField(max_length=40)),
                ("code", models.CharField(max_length=60)),
                ("reason", models.TextField()),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("by_hand", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "delivery_hold",
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("destination_id", models.BigIntegerField()),
                ("kind", models.CharField(max_length=20)),
                ("options", models.JSONField(default=dict)),
                ("asked_at", models.DateTimeField(auto_now_add=True)),
                ("begun_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("done", models.BigIntegerField(default=0)),
                ("expected", models.BigIntegerField(null=True)),
                ("problem", models.TextField(default="")),
                ("result", models.TextField(default="")),
            ],
            options={
                "db_table": "delivery_task",
            },
        ),
        migrations.RemoveConstraint(
            model_name="minuterow",
            name="one_per_minute",
        ),
        migrations.AddField(
            model_name="minuterow",
            name="reason",
            field=models.CharField(default="", max_length=60),
        ),
        migrations.AddConstraint(
            model_name="minuterow",
            constraint=models.UniqueConstraint(
                fields=("destination_id", "minute", "outcome", "reason"), name="one_per_minute_and_reason"
            ),
        ),
        migrations.AddIndex(
            model_name="holdrow",
            index=models.Index(fields=["reader", "-id"], name="holds_newest_first"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["destination_id", "kind", "-id"], name="tasks_newest_first"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)), fields=["id"], name="tasks_to_do"
            ),
        ),
    ]
