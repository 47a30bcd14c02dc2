"""Addresses have one spelling more strictly than before: rows of two spellings of one mailbox become one contact.

What was said of either is kept, the unsubscribes of either above all. The contact under the former spelling leaves its
lists at Mailjet, where it is one of its own.
"""

import json
import time
from collections import defaultdict
from typing import Any

from django.db import migrations

from jetbridge.destinations.mailjet.state import FORGOTTEN, Desired, decode_desired, encode
from jetbridge.spec.emails import normalise

PAGE = 2_000


def one_spelling(apps: Any, _: Any) -> None:
    contacts = apps.get_model("mailjet_destination", "Contact").objects
    _respell_people(apps.get_model("mailjet_destination", "Person").objects)
    respelled: defaultdict[tuple[int, str], list[Any]] = defaultdict(list)
    after = 0
    while page := list(
        contacts.filter(id__gt=after).order_by("id").values_list("id", "account_id", "email")[:PAGE]
    ):
        for id_, account, email in page:
            if (address := normalise(email)) and address != email:
                respelled[account, address].append(id_)
        after = page[-1][0]
    for (account, address), ids in respelled.items():
        rows = [(row, decode_desired(bytes(row.desired))) for row in contacts.filter(id__in=ids)]
        # Who is being erased is, with all spellings.
        if left := [(row, desired) for row, desired in rows if desired.gone != FORGOTTEN]:
            _merge(contacts, account, address, left)


def _merge(contacts: Any, account: int, address: str, rows: list[tuple[Any, Desired]]) -> None:
    now = time.time_ns() // 1_000_000
    row = contacts.filter(account_id=account, email=address).first()
    row = row or contacts.model(account_id=account, email=address, delivered=b"{}", desired=b"{}")
    merged = decode_desired(bytes(row.desired))
    _put_together(merged)
    for other, desired in rows:
        _put_together(desired)
        _take(merged, desired, address)
        merged.takes_over = [*merged.takes_over, other.email]
        merged.spellings = [*merged.spellings, other.email]
        other.desired = encode(
            Desired(
                lists=desired.lists,
                opted_out=desired.opted_out,
                bounced=desired.bounced,
                unsubscribed=desired.unsubscribed,
                left={"": (now, address)},
                refused=desired.refused,
            )
        )
        other.due_at = now if other.job_id is None else None
        other.save()
    row.desired = encode(merged)
    row.due_at = now if row.job_id is None else None
    row.save()


def _take(merged: Desired, other: Desired, address: str) -> None:
    users = {user: max(at, merged.users.get(user, at)) for user, at in other.users.items()}
    left = {**other.left, **merged.left}
    merged.inherit(other)
    merged.users |= users
    merged.left = {
        user: (since, to)
        for user, (since, to) in left.items()
        if user not in merged.users and normalise(to) != address
    }
    merged.bounced = max(merged.bounced, other.bounced)
    merged.named_at = max(merged.named_at, other.named_at)
    for list_id, at in other.refused.items():
        merged.refused[list_id] = max(at, merged.refused.get(list_id, at))
    merged.takes_over += [each for each in other.takes_over if each not in merged.takes_over]


def _put_together(desired: Desired) -> None:
    """As before profiles were kept: who said what is sorted out when somebody leaves."""
    if desired.anonymous:
        desired.merge_all(desired.anonymous)
    desired.anonymous, desired.is_apart = None, False


def _respell_people(people: Any) -> None:
    after = 0
    while page := list(
        people.filter(id__gt=after).order_by("id").values_list("id", "email", "former")[:PAGE]
    ):
        for id_, email, former in page:
            address = (normalise(email) or email) if email else email
            spans = json.loads(bytes(former)) if former else {}
            respelled: dict[str, list[int]] = {}
            for each, (first, last) in spans.items():
                known = respelled.get(name := normalise(each) or each, [first, last])
                if name != address:
                    respelled[name] = [min(first, known[0]), max(last, known[1])]
            if address != email:  # what was said is with the contact now
                people.filter(id=id_).update(email=address, profile=None)
            if respelled != spans:
                value = json.dumps(respelled, separators=(",", ":")).encode() if respelled else None
                people.filter(id=id_).update(former=value)
        after = page[-1][0]


class Migration(migrations.Migration):
    dependencies = [
        ("mailjet_destination", "0005_profiles"),
    ]

    operations = [
        migrations.RunPython(one_spelling, migrations.RunPython.noop),
    ]
