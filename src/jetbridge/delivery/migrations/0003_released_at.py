from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0002_again_replay_erasure"),
    ]

    operations = [
        migrations.AddField(
            model_name="reading",
            name="released_at",
            field=models.DateTimeField(null=True),
        ),
    ]
