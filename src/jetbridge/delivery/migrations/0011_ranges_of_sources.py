"""What a destination gets of a source becomes ranges of the log, instead of all after `since` until it is `closed`."""

from typing import Any

from django.db import migrations, models


def write_ranges(apps: Any, _schema_editor: object) -> None:
    kinds = dict(apps.get_model("control", "Source").objects.values_list("id", "kind"))
    positions = dict(apps.get_model("delivery", "Reading").objects.values_list("reader", "position"))
    for row in apps.get_model("delivery", "ReadingSource").objects.all():
        row.kind = kinds.get(row.source_id, "")
        upto = None
        if row.closed:  # by the consumer, at the position where it stood
            row.ended_total = row.baseline + row.consumed
            upto = positions.get(f"destination:{row.destination_id}", row.since)
        row.ranges = [[row.since, upto]]
        row.save()


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0007_sessions"),
        ("delivery", "0010_erasure_waits_for"),
    ]

    operations = [
        migrations.AddField("readingsource", "kind", models.CharField(default="", max_length=20)),
        migrations.AddField("readingsource", "ranges", models.JSONField(default=list)),
        migrations.AddField("readingsource", "ended_total", models.BigIntegerField(null=True)),
        migrations.RunPython(write_ranges, migrations.RunPython.noop),
        migrations.RemoveField("readingsource", "closed"),
        migrations.RemoveField("readingsource", "since"),
    ]
