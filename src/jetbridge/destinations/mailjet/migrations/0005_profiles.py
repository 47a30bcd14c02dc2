"""Each user's properties are kept apart where several use an address; before that they were merged for good."""

import json
from typing import Any

from django.db import migrations, models

PAGE = 1_000


def whose_is_what(apps: Any, _: Any) -> None:
    """Nothing is lost: what was merged counts as said by every user whose address it is."""
    contacts = apps.get_model("mailjet_destination", "Contact").objects
    after = 0
    while page := list(contacts.filter(id__gt=after).order_by("id").values_list("id", "desired")[:PAGE]):
        for id_, row in page:
            if b'"moved_to"' in bytes(row):
                contacts.filter(id=id_).update(desired=_dump(_left(json.loads(bytes(row)))))
        after = page[-1][0]
    people = apps.get_model("mailjet_destination", "Person").objects
    for id_, former in people.exclude(former=None).values_list("id", "former").iterator(PAGE):
        spans = dict.fromkeys(json.loads(bytes(former)), (0, 0))  # nobody knows when they were named
        people.filter(id=id_).update(former=_dump(spans))
    for id_, waiting in people.exclude(profile=None).values_list("id", "profile").iterator(PAGE):
        profile = json.loads(bytes(waiting))
        profile["first_unsub"] = dict.fromkeys(profile.get("unsubscribed", []), 0)
        people.filter(id=id_).update(profile=_dump(profile))


def _left(desired: dict[str, Any]) -> dict[str, Any]:
    """Who left took everything along, and was not written down by name."""
    left = desired.pop("moved_at", 0), desired.pop("moved_to")
    desired["left"] = {"": left}
    wishes = {**desired.get("parked", {}), **desired.get("lists", {})}
    unsubscribed = {str(list_id) for list_id in desired.get("unsubscribed", [])}
    desired["refused"] = {
        list_id: time
        for list_id, (action, time) in wishes.items()
        if action == "unsub" or (action == "remove" and list_id in unsubscribed)
    }
    if desired.get("users"):
        return desired
    if desired.get("named_at", 0) > left[0]:
        names = ("time", "values", "older", "lists", "parked")
        return desired | {
            "is_apart": True,
            "anonymous": {name: desired[name] for name in names if name in desired},
        }
    for name in ("time", "values", "older", "lists", "parked"):
        desired.pop(name, None)
    return desired | {"lists": {list_id: ("unsub", time) for list_id, time in desired["refused"].items()}}


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class Migration(migrations.Migration):
    dependencies = [
        ("mailjet_destination", "0004_pending_by_list_and_late_jobs"),
    ]

    operations = [
        migrations.RenameField(model_name="person", old_name="waiting", new_name="profile"),
        migrations.AddField(
            model_name="person",
            name="email_since",
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunPython(whose_is_what, migrations.RunPython.noop),
    ]
