from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailjet_destination", "0002_history_and_traits"),
    ]

    operations = [
        migrations.AddField(
            model_name="contact",
            name="told_at",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("told_at__isnull", False)),
                fields=["account_id", "told_at"],
                name="contact_was_told",
            ),
        ),
    ]
