"""One refused message must not spoil its batch: a batch that is refused is halved until the bad message is alone."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from jetbridge.errors import PermanentError

_T = TypeVar("_T")

#: The code of a message that the other side refuses for its content.
REFUSED = "REFUSED"


class BatchRefused(PermanentError):
    """The other side refuses the content of a request; a part of it may be welcome."""


def send_bisected(
    batch: Sequence[_T],
    send: Callable[[Sequence[_T]], None],
    refuse: Callable[[_T, BatchRefused], None],
) -> None:
    """Send a batch in one request, or where it is refused in several, in its order.

    `send` sends a part, and remembers what was taken, because a later part may raise. `refuse` gets what is refused
    alone. Raises what either raises, BatchRefused of `send` excepted.
    """
    waiting = deque([batch])
    while waiting:
        part = waiting.popleft()
        try:
            send(part)
        except BatchRefused as error:
            if len(part) == 1:
                refuse(part[0], error)
            else:
                middle = len(part) // 2
                waiting.extendleft((part[middle:], part[:middle]))
