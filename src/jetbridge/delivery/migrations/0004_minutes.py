from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0003_released_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="LatencyRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("destination_id", models.BigIntegerField()),
                ("minute", models.BigIntegerField()),
                ("bucket", models.IntegerField()),
                ("total", models.BigIntegerField()),
            ],
            options={
                "db_table": "delivery_latency",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("destination_id", "minute", "bucket"), name="one_per_bucket"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MinuteRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("destination_id", models.BigIntegerField()),
                ("minute", models.BigIntegerField()),
                ("outcome", models.CharField(max_length=10)),
                ("total", models.BigIntegerField()),
            ],
            options={
                "db_table": "delivery_minute",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("destination_id", "minute", "outcome"), name="one_per_minute"
                    )
                ],
            },
        ),
    ]
