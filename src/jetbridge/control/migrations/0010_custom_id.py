"""Whether the CustomID of a Mailjet account's messages is the userId."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0009_schema_blocks")]

    operations = [
        migrations.AddField("mailjetaccount", "custom_id_is_user_id", models.BooleanField(default=False))
    ]
