from django.db import migrations, models


class Migration(migrations.Migration):
    """The account of email events: what failed, what of it was read again, and what a crash would repeat."""

    dependencies = [("delivery", "0015_repeated_email_events")]

    operations = [
        migrations.AddField("reading", "failed", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("reading", "retried", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("reading", "made_upto", models.BigIntegerField(null=True)),
    ]
