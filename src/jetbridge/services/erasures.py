"""Forgetting a person."""

from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.privacy import erasure
from jetbridge.privacy.models import Erasure
from jetbridge.spec.identity import Identity


def forget(actor: Actor, identity: Identity) -> Erasure:
    """Suppression begins at once; the worker does the rest."""
    with transaction.atomic():
        asked = erasure.request(actor.workspace.id, identity)
        # Not who: the audit log is kept.
        actor.audit("person.forgotten", f"receipt {asked.id}")
    return asked
