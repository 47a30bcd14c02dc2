"""Erasing a person, and accepting messages of them again."""

from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.privacy import erasure, suppression
from jetbridge.privacy.models import Erasure
from jetbridge.spec.person import Identity


def forget(actor: Actor, identity: Identity) -> Erasure:
    """Suppression begins at once; the worker does the rest."""
    with transaction.atomic():
        requested = erasure.request(actor.workspace.id, identity)
        # Not who: the audit log is kept.
        actor.audit("person.forgotten", f"receipt {requested.id}")
    return requested


def lift(actor: Actor, identity: Identity) -> bool:
    """Accept messages that name the person again; False if none of the names is suppressed."""
    with transaction.atomic():
        lifted = suppression.lift(actor.workspace.id, identity) > 0
        if lifted:
            actor.audit("person.accepted-again")
    return lifted
