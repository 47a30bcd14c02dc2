"""What waits is kept by list; before that it was by destination alone. And jobs that were given up are kept."""

import json
from typing import Any

from django.db import migrations, models


def by_list(apps: Any, _: Any) -> None:
    """What waits is taken to have asked for the contact's first list."""
    contacts = apps.get_model("mailjet_destination", "Contact").objects.exclude(pending=None, sent=None)
    for row in contacts.iterator(1_000):
        list_id = next(iter(json.loads(row.desired).get("lists", {})), "0")
        if row.pending:
            row.pending = _dump(_moved(json.loads(row.pending), list_id))
        if row.sent:
            sent = json.loads(row.sent)
            row.sent = _dump(sent | {"pending": _moved(sent["pending"], list_id)})
        row.save(update_fields=["pending", "sent"])


def _moved(pending: dict[str, Any], list_id: str) -> dict[str, Any]:
    return {destination: {list_id: waiting} for destination, waiting in pending.items()}


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


class Migration(migrations.Migration):
    dependencies = [
        ("mailjet_destination", "0003_told_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="given_up_at",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="carried",
            field=models.BinaryField(null=True),
        ),
        migrations.RunPython(by_list, migrations.RunPython.noop),
    ]
