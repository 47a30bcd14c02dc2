from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0009_heartbeats_and_logs"),
    ]

    operations = [
        migrations.AddField(
            model_name="erasure",
            name="waits_for",
            field=models.TextField(default=""),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(
                fields=["id"], name="erasure_is_open", condition=models.Q(("ended_at__isnull", True))
            ),
        ),
    ]
