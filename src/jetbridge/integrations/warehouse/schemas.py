"""Which schema holds the tables of a source: its name when it is first loaded, or what a person chose before."""

from typing import Any

from django.db import transaction

from jetbridge.control.models import Source
from jetbridge.integrations.warehouse.models import Schema
from jetbridge.integrations.warehouse.names import NAME_BYTES, schema_name


def schema_of(destination: int, source: int, chosen: dict[str, Any]) -> str:
    """The schema of a source; made up with the first call and the same ever after. `chosen` is by the source's name."""
    row = Schema.objects.filter(destination_id=destination, source_id=source).first()
    if row is None:
        name = Source.objects.filter(id=source).values_list("name", flat=True).first() or ""
        name = schema_name(str(chosen.get(name, name))) or f"source_{source}"
        with transaction.atomic():
            taken = set(Schema.objects.filter(destination_id=destination).values_list("name", flat=True))
            free, number = name, 1
            while free in taken:
                number += 1
                free = f"{name[: NAME_BYTES - 5]}_{number}"
            row = Schema.objects.create(destination_id=destination, source_id=source, name=free)
    return row.name


def schemas_problem(chosen: dict[str, Any]) -> str:
    """What is wrong with a choice of schemas by source; "" if nothing is."""
    for source, schema in chosen.items():
        if not isinstance(schema, str) or schema_name(schema) != schema:
            return f"{str(schema)[:60]!r} (of {source[:60]}) is no schema. Use small letters, digits and _, as in web_site."
    if len(set(chosen.values())) < len(chosen):
        return "Each source has a schema of its own; two are the same."
    return ""
