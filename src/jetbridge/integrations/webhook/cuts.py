"""Which messages go in one request, stored before it is sent.

A request may have been received though nobody here knows: its response was lost, or this process ended. It is sent again
with the same messages, so under the same webhook-id, and a receiver that knows the id drops it.
"""

from collections.abc import Collection, Iterable

from django.db import transaction

from jetbridge.integrations.webhook.models import Cut

#: Positions of the messages of one request, in order. It is known by the first.
Positions = tuple[int, ...]


class Cuts:
    """Those of one destination. For one thread."""

    def __init__(self, destination: int) -> None:
        self._destination = destination
        rows = Cut.objects.filter(destination_id=destination).values_list("positions", flat=True)
        self._stored: dict[int, Positions] = {positions[0]: tuple(positions) for positions in rows}

    def within(self, here: Collection[int], most: int) -> list[Positions]:
        """Those of up to `most` messages that are all here, first ones first."""
        return [
            cut
            for _, cut in sorted(self._stored.items())
            if len(cut) <= most and all(position in here for position in cut)
        ]

    def keep(self, cuts: Iterable[Positions]) -> None:
        """Store these, in the place of those that share a message with one of them. One transaction, or none."""
        new = {cut[0]: cut for cut in cuts if self._stored.get(cut[0]) != cut}
        if not new:
            return
        moved = {position for cut in new.values() for position in cut}
        old = [first for first, cut in self._stored.items() if not moved.isdisjoint(cut)]
        with transaction.atomic():
            Cut.objects.filter(destination_id=self._destination, first__in=[*old, *new]).delete()
            Cut.objects.bulk_create(
                Cut(destination_id=self._destination, first=first, positions=cut)
                for first, cut in new.items()
            )
        for first in old:
            del self._stored[first]
        self._stored |= new

    def completed(self, positions: Collection[int]) -> list[int]:
        """Delete those whose messages are all completed; which they are. Inside `Progress.commit`, then `forget` them."""
        ended = [first for first, cut in self._stored.items() if all(at in positions for at in cut)]
        if ended:
            Cut.objects.filter(destination_id=self._destination, first__in=ended).delete()
        return ended

    def forget(self, ended: Iterable[int]) -> None:
        for first in ended:
            del self._stored[first]
