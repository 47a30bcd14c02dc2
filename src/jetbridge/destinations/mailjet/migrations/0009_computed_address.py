from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailjet_destination", "0008_unreadable"),
    ]

    operations = [
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
                "db_table": "mailjet_destination_computed_address",
                "indexes": [models.Index(fields=["account_id", "email"], name="computed_address_by_email")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account_id", "user_id", "email"), name="computed_address_is_unique"
                    )
                ],
            },
        ),
    ]
