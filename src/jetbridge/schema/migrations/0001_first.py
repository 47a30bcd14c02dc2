from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="MinuteRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source_id", models.BigIntegerField()),
                ("minute", models.BigIntegerField()),
                ("messages", models.BigIntegerField()),
                ("invalid", models.BigIntegerField()),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                ("last_at", models.BigIntegerField()),
            ],
            options={
                "db_table": "schema_minute",
                "indexes": [models.Index(fields=["source_id", "-last"], name="minutes_from_the_end")],
                "constraints": [
                    models.UniqueConstraint(fields=("source_id", "minute"), name="one_per_source_and_minute")
                ],
            },
        ),
        migrations.CreateModel(
            name="NameRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source_id", models.BigIntegerField()),
                ("type", models.CharField(max_length=10)),
                ("event", models.CharField(max_length=200)),
                ("name", models.CharField(max_length=200)),
                ("total", models.BigIntegerField()),
                ("kinds", models.IntegerField()),
                ("first_at", models.BigIntegerField()),
                ("last_at", models.BigIntegerField()),
            ],
            options={
                "db_table": "schema_name",
                "constraints": [
                    models.UniqueConstraint(fields=("source_id", "type", "event", "name"), name="name_once")
                ],
            },
        ),
    ]
