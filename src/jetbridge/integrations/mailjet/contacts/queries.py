"""The hot statements of the Mailjet destination, in the SQL that SQLite and PostgreSQL share."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain, islice
from typing import Any, TypeVar

from django.db import connection

from jetbridge.control.directory import account_of_authentication_key
from jetbridge.control.models import Destination
from jetbridge.control.secret_field import digest
from jetbridge.integrations.mailjet.models import ReplacedList
from jetbridge.spec.untrusted import whole_number

#: Keys per IN list. One size for all keeps one prepared statement; the last list is padded.
KEYS = 500

#: Rows per INSERT of many.
ROWS = 50

Key = TypeVar("Key")

_PLACES = ", ".join(["%s"] * KEYS)

# The placeholders are the only thing put into the statements; S608 cannot see that.
PEOPLE = f"""
SELECT user_id, email, email_since, email_time, profile, former
FROM mailjet_person WHERE account_id = %s AND user_id IN ({_PLACES})
"""  # noqa: S608

SAVE_PERSON = """
INSERT INTO mailjet_person (account_id, user_id, email, email_since, email_time, profile, former)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (account_id, user_id) DO UPDATE
SET email = excluded.email, email_since = excluded.email_since, email_time = excluded.email_time,
    profile = excluded.profile, former = excluded.former
"""

DELETE_PERSON = "DELETE FROM mailjet_person WHERE account_id = %s AND user_id = %s"

COMPUTED_ADDRESSES = f"""
SELECT email FROM mailjet_computed_address WHERE account_id = %s AND user_id IN ({_PLACES})
"""  # noqa: S608

ADD_COMPUTED_ADDRESS = """
INSERT INTO mailjet_computed_address (account_id, user_id, email) VALUES (%s, %s, %s)
ON CONFLICT (account_id, user_id, email) DO NOTHING
"""

_CONTACT = """
SELECT id, email, desired, delivered, pending, next_attempt_at, attempts, sent, job_id, history, first_failed_at
FROM mailjet_contact
"""

CONTACTS = f"{_CONTACT} WHERE account_id = %s AND email IN ({_PLACES})"

DUE_CONTACTS = f"{_CONTACT} WHERE account_id = %s AND next_attempt_at <= %s ORDER BY next_attempt_at LIMIT %s"

JOB_CONTACTS = f"{_CONTACT} WHERE account_id = %s AND job_id = %s"

JOB_EMAILS = "SELECT email FROM mailjet_contact WHERE account_id = %s AND job_id = %s"

JOB_IDS = "SELECT id FROM mailjet_contact WHERE account_id = %s AND job_id = %s"

ONE_CONTACT = f"{_CONTACT} WHERE id = %s"

CONTACTS_BY_ID = f"{_CONTACT} WHERE id IN ({_PLACES})"

#: What waits for contacts, of all accounts.
ALL_PENDING = "SELECT id, email, pending FROM mailjet_contact WHERE pending IS NOT NULL"
NO_PENDING = "UPDATE mailjet_contact SET pending = NULL WHERE id = %s"

#: What is needed of a contact whose state raises when it is read.
RAW_CONTACT = "SELECT email, desired, pending, history FROM mailjet_contact WHERE id = %s"

#: How many are due (up to a limit), the oldest and the newest of them.
DUE_FIGURES = """
SELECT count(*), min(next_attempt_at), max(next_attempt_at) FROM (
  SELECT next_attempt_at FROM mailjet_contact
  WHERE account_id = %s AND next_attempt_at <= %s ORDER BY next_attempt_at LIMIT %s) AS due
"""

#: Page by page through all contacts that were there at a moment.
CONTACTS_PAGE = f"{_CONTACT} WHERE account_id = %s AND id > %s AND id <= %s ORDER BY id LIMIT %s"

DESIRED_PAGE = """
SELECT id, desired FROM mailjet_contact WHERE account_id = %s AND id > %s ORDER BY id LIMIT %s
"""

NEWEST_CONTACT = "SELECT coalesce(max(id), 0), count(*) FROM mailjet_contact WHERE account_id = %s"

#: Page by page through those that are due, now or later, in the order in which they are sent.
DUE_PAGE = f"""{_CONTACT}
WHERE account_id = %s AND next_attempt_at IS NOT NULL AND (next_attempt_at > %s OR (next_attempt_at = %s AND id > %s))
ORDER BY next_attempt_at, id LIMIT %s
"""

_LISTED = _CONTACT.replace("first_failed_at", "first_failed_at, synced_at")

#: For people, the newest first; each page from the key of the one before on.
RECENT_PAGE = f"""{_LISTED}
WHERE account_id = %s AND synced_at IS NOT NULL AND (synced_at, id) < (%s, %s)
ORDER BY synced_at DESC, id DESC LIMIT %s
"""

DUE_LIST = f"""{_LISTED}
WHERE account_id = %s AND next_attempt_at IS NOT NULL AND (next_attempt_at, id) > (%s, %s) ORDER BY next_attempt_at, id LIMIT %s
"""

JOB_LIST = f"""{_LISTED}
WHERE account_id = %s AND job_id IS NOT NULL AND (job_id, id) > (%s, %s) ORDER BY job_id, id LIMIT %s
"""

#: The lowest and the highest id of all accounts.
CONTACT_IDS = """
SELECT (SELECT min(id) FROM mailjet_contact), (SELECT max(id) FROM mailjet_contact)
"""

#: How many contacts an account has among so many ids from each of these on: those that Mailjet has, or is to have. Engage knows more
#: addresses.
CONTACTS_AMONG = """
WITH part (start) AS (VALUES {starts})
SELECT count(*) FROM part CROSS JOIN mailjet_contact AS contact
WHERE contact.id >= part.start AND contact.id < part.start + %s AND +contact.account_id = %s
  AND (contact.next_attempt_at IS NOT NULL OR contact.job_id IS NOT NULL OR contact.delivered <> %s)
"""

ADD_CONTACT = """
INSERT INTO mailjet_contact (account_id, email, desired, delivered, pending, next_attempt_at, attempts)
VALUES (%s, %s, %s, %s, %s, %s, 0)
"""

#: What the merge writes; reconcile's columns are not touched.
MERGE_CONTACT = "UPDATE mailjet_contact SET desired = %s, pending = %s, next_attempt_at = %s WHERE id = %s"

#: What consent writes.
LEARN_CONTACT = """
INSERT INTO mailjet_contact (account_id, email, desired, delivered, next_attempt_at, attempts)
VALUES (%s, %s, %s, %s, %s, 0)
ON CONFLICT (account_id, email) DO UPDATE
SET desired = excluded.desired, delivered = excluded.delivered, next_attempt_at = excluded.next_attempt_at
"""

#: What reconcile writes when a contact comes to rest, or is to be tried again.
ACKNOWLEDGE_CONTACT = """
UPDATE mailjet_contact
SET desired = %s, delivered = %s, pending = %s, next_attempt_at = %s, attempts = %s, first_failed_at = %s, history = %s,
    synced_at = %s, sent = NULL, job_id = NULL
WHERE id = %s
"""

#: What reconcile writes when a list was replaced. What was sent last is unconfirmed by `delivered`.
FOLLOW_CONTACT = """
UPDATE mailjet_contact SET desired = %s, delivered = %s, pending = %s, sent = NULL WHERE id = %s
"""

#: What is left of a contact that raises. What was sent last stays unconfirmed.
FAIL_CONTACT = """
UPDATE mailjet_contact
SET pending = %s, next_attempt_at = %s, history = %s, attempts = 0, first_failed_at = NULL, job_id = NULL WHERE id = %s
"""

DELETE_CONTACT = "DELETE FROM mailjet_contact WHERE id = %s"

#: What reconcile writes before it sends ...
SAVE_SENT = "UPDATE mailjet_contact SET sent = %s, next_attempt_at = %s WHERE id = %s"

#: ... of a contact of which the last call's response was lost already ...
MARK_UNCONFIRMED = "UPDATE mailjet_contact SET delivered = %s WHERE id = %s"

#: ... and when a job carries it.
CARRY_CONTACTS = f"""
UPDATE mailjet_contact SET job_id = %s, next_attempt_at = NULL WHERE id IN ({_PLACES})
"""  # noqa: S608

POSTPONE_CONTACT = """
UPDATE mailjet_contact SET next_attempt_at = %s, attempts = %s, first_failed_at = %s WHERE id = %s
"""

#: Some of those that wait furthest back need not wait any longer: who has waited longest first.
REQUEUE = """
UPDATE mailjet_contact SET next_attempt_at = %s WHERE id IN (
  SELECT id FROM mailjet_contact WHERE account_id = %s AND next_attempt_at > %s ORDER BY next_attempt_at LIMIT %s)
"""

#: Only those who are due by then.
REQUEUE_UNTIL = REQUEUE.replace(
    "next_attempt_at > %s ORDER", "next_attempt_at > %s AND next_attempt_at <= %s ORDER"
)

COUNT_REJECTED_VALUES = """
INSERT INTO mailjet_rejectedvalue (account_id, property, message, total, email, at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (account_id, property, message) DO UPDATE
SET total = mailjet_rejectedvalue.total + excluded.total, email = excluded.email, at = excluded.at
"""

#: What the newest contacts should hold.
NEWEST_DESIRED = "SELECT desired FROM mailjet_contact WHERE account_id = %s ORDER BY id DESC LIMIT %s"

#: Page by page through what Mailjet confirmed.
DELIVERED_PAGE = """
SELECT id, delivered FROM mailjet_contact WHERE account_id = %s AND id > %s ORDER BY id LIMIT %s
"""

DELIVERED_OF = f"SELECT id, delivered FROM mailjet_contact WHERE id IN ({_PLACES})"  # noqa: S608

#: What Mailjet confirmed is less than we thought. One that a job carries is due when the job has ended.
REVERT_DELIVERED = """
UPDATE mailjet_contact
SET delivered = %s, next_attempt_at = CASE WHEN job_id IS NULL THEN %s END WHERE id = %s
"""


def rows_of_keys(statement: str, account: int, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """Run a statement with a KEYS-wide IN list for any number of keys."""
    with connection.cursor() as cursor:
        for padded in _padded(keys):
            cursor.execute(statement, [account, *padded])
            yield from cursor.fetchall()


def rows_of_ids(statement: str, ids: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        for padded in _padded(ids):
            cursor.execute(statement, padded)
            yield from cursor.fetchall()


def changed(statement: str, *parameters: Any) -> int:
    """Run a statement; how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def write_keys(statement: str, value: Any, keys: Iterable[int | None]) -> None:
    """Write one value to any number of rows, by a statement with a KEYS-wide IN list."""
    with connection.cursor() as cursor:
        for padded in _padded(keys):
            cursor.execute(statement, [value, *padded])


def _padded(keys: Iterable[Key]) -> Iterator[list[Key]]:
    remaining = iter(keys)
    while chunk := list(islice(remaining, KEYS)):
        yield chunk + chunk[-1:] * (KEYS - len(chunk))


def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def write(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)


def insert(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """`write` for INSERT ... VALUES, with many rows per statement: a quarter cheaper."""
    whole = len(rows) - len(rows) % ROWS
    with connection.cursor() as cursor:
        for start in range(0, whole, ROWS):
            cursor.execute(_with_rows(statement), list(chain.from_iterable(rows[start : start + ROWS])))
    write(statement, rows[whole:])


@cache
def _with_rows(statement: str) -> str:
    return re.sub(
        r"VALUES (\(.*\))", lambda match: f"VALUES {', '.join([match[1]] * ROWS)}", statement, count=1
    )


# ---- rejected values


def count_rejected_values(account: int, rejected: Sequence[tuple[str, str, str]]) -> None:
    """Count values that the Datatypes of Mailjet's properties reject: (property, message, email) of each value."""
    totals = Counter((name, message) for name, message, _ in rejected)
    last = {(name, message): email for name, message, email in rejected}
    now = datetime.now(UTC)
    write(COUNT_REJECTED_VALUES, [(account, *key, total, last[key], now) for key, total in totals.items()])


# ---- contacts lists that are gone, and whose destinations have been given another one


def former_lists(destination: int) -> frozenset[int]:
    """Lists of a destination that were gone when it was given another."""
    rows = ReplacedList.objects.filter(destination_id=destination)
    return frozenset(rows.values_list("list_id", flat=True))


def replaced_lists(account: int) -> dict[int, dict[int, int]]:
    """The new list, by the destination that has been given it, by the list that is gone."""
    rows = list(ReplacedList.objects.filter(account_id=account).values_list("list_id", "destination_id"))
    present = lists_of_destinations(account, {destination for _, destination in rows}) if rows else {}
    replaced: dict[int, dict[int, int]] = {}
    for list_id, destination in rows:
        if (to := present.get(destination, list_id)) != list_id:  # else it was restored and chosen again
            replaced.setdefault(list_id, {})[destination] = to
    return replaced


def lists_of_destinations(account: int, destinations: Iterable[int]) -> dict[int, int]:
    """The lists that these destinations are set to; without those that use another account by now."""
    lists = {}
    for row in Destination.objects.filter(id__in=destinations):
        present = account_of_authentication_key(digest(json.loads(row.secrets).get("apiKey", "")))
        list_id = whole_number(row.settings.get("listId"))
        if present and present.id == account and list_id:
            lists[row.id] = list_id
    return lists
