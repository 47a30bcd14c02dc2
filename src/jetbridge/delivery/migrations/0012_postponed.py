"""A destination can postpone a message."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0011_ranges_of_sources")]

    operations = [migrations.AddField("againrow", "not_before", models.DateTimeField(null=True))]
