from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0006_find_by_position"),
    ]

    operations = [
        migrations.AddField(
            model_name="reading",
            name="trouble",
            field=models.TextField(default=""),
        ),
        migrations.AddField(
            model_name="reading",
            name="troubled_at",
            field=models.DateTimeField(null=True),
        ),
    ]
