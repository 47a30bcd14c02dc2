"""The newest messages that routing kept from a destination, decided again: nothing is written down of each."""

from typing import NamedTuple

from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.errors import DeliveryError
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.log import event_log
from jetbridge.services.queries import sample_messages
from jetbridge.services.queries.sample_messages import Found
from jetbridge.spec.message import CALL_TYPES

#: How many of the newest messages are looked at, and how many are shown.
LOOKED, SHOWN = 1_000, 50


class LeftOut(NamedTuple):
    found: Found
    sentence: str


def left_out(row: Destination, reason: str) -> list[LeftOut]:
    """Newest first; none where the settings cannot be read: then the destination is paused for it."""
    ref = directory.destination(row.id)
    assert ref
    try:
        traceable = integration_of(row).traceable(ref)
    except DeliveryError:
        return []
    with event_log() as log:
        recent = sample_messages.recent(log, row, CALL_TYPES, LOOKED)
    told = ((found, traceable.left_out(found.record, found.message)) for found in recent)
    kept = [LeftOut(found, " ".join(why[1])) for found, why in told if why and why[0] == reason]
    return kept[:SHOWN]
