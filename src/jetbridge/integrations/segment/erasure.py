"""What Segment is told of an erasure: nothing, because its Tracking API has no call for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from jetbridge.spec.person import Identity


@dataclass(frozen=True)
class NoopErasureHandler:
    """See `privacy.erasure.ErasureHandler`. Says on the receipt what is left to do."""

    name: str
    readers: Sequence[str] = ()

    def known(self, identity: Identity) -> Identity:
        return identity

    def erase(self, identity: Identity, now: int) -> None:
        """Nothing of the person is kept for this destination."""

    def erased(self, identity: Identity) -> str | None:  # noqa: ARG002 - the same for everybody
        return (
            f"{self.name}: keeps nothing here. What it was sent is at Segment; have it deleted there "
            "(Privacy, Deletion and Suppression)."
        )
