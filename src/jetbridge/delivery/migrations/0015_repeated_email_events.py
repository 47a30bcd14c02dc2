from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0014_deletes_of_syncs"),
    ]

    operations = [
        migrations.AddField(
            model_name="reading",
            name="repeated",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
