"""Row 1: Identify JSON in, Mailjet bulk body out, one process, no state."""

from collections.abc import Sequence

import msgspec

import benchmarks.home  # noqa: F401 - Django comes first
from benchmarks import fixtures, floor
from benchmarks.figures import compare, interleaved, per_second, title
from benchmarks.options import Options
from jetbridge.integrations.mailjet.api.properties import datatype_of
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.mapping import Mapping
from jetbridge.integrations.mailjet.contacts.state import ContactUpdate, contact_name
from jetbridge.integrations.mailjet.contacts.traits import contact_change
from jetbridge.integrations.mailjet.sync.prepare import prepare
from jetbridge.spec.message import decode
from jetbridge.worker.process import tune_gc

LIST = 4_917
MAPPING = Mapping()


def run(options: Options) -> None:
    tune_gc()  # as the worker does
    messages = fixtures.identify_bodies(options.size(50_000))
    datatypes = _datatypes(messages)
    title(f"1. Identify JSON in, Mailjet bulk body out: {len(messages):,} contacts, no state")
    series = interleaved(
        {
            "jetbridge": lambda: per_second(lambda: _render(messages, datatypes)),
            "orjson floor": lambda: per_second(
                lambda: sum(map(bool, floor.bulk_bodies(messages))) and len(messages)
            ),
        },
        options.rounds,
    )
    compare(series, floor="orjson floor", targets={"jetbridge": ("100,000/s", "0.67")})


def _datatypes(messages: Sequence[bytes]) -> dict[str, str]:
    """What the account's contact properties are once all of these were sent."""
    datatypes: dict[str, str] = {}
    for message in messages[:100]:
        for name, value in MAPPING.properties(decode(message).traits or {})[0].items():
            datatypes.setdefault(name, datatype_of(value))
    return datatypes


def _render(messages: Sequence[bytes], datatypes: dict[str, str]) -> int:
    for start in range(0, len(messages), floor.BODY_CONTACTS):
        rows = [_row(message, datatypes) for message in messages[start : start + floor.BODY_CONTACTS]]
        msgspec.json.encode({"Action": "addnoforce", "Contacts": rows})
    return len(messages)


def _row(message: bytes, datatypes: dict[str, str]) -> dict[str, object]:
    """What the merge and reconcile do to one contact that has no state and keeps none."""
    requested = contact_change(decode(message), LIST, MAPPING)
    contact = Contact(requested.email or "")
    contact.desired.values = requested.properties
    change = ContactUpdate(requested.properties, {LIST: requested.action}, contact_name(requested.properties))
    return prepare(contact, change, datatypes, {}).row
