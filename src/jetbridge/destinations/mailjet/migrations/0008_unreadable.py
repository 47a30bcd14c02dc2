from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailjet_destination", "0007_replaced_lists"),
    ]

    operations = [
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
            options={"db_table": "mailjet_destination_unreadable"},
        ),
    ]
