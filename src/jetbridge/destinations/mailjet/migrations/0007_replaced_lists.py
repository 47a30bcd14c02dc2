from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailjet_destination", "0006_spellings"),
    ]

    operations = [
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
    ]
