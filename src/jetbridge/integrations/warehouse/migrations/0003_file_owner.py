from django.db import migrations, models


class Migration(migrations.Migration):
    """Whose a file is, also after its destination was removed."""

    dependencies = [("warehouse", "0002_sync_of_run")]

    operations = [
        migrations.CreateModel(
            name="FileOwner",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.TextField(unique=True)),
                ("workspace_id", models.BigIntegerField()),
            ],
        )
    ]
