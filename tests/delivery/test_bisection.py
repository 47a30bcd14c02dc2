"""A batch that is refused is sent in halves until the bad message is alone."""

from collections.abc import Sequence

import pytest

from jetbridge.delivery.retry import BatchRefused, send_bisected
from jetbridge.errors import TransientError


class Receiver:
    """Refuses every request that holds one of `bad`, and can be reached for `reachable` requests."""

    def __init__(self, *bad: int, reachable: int = 1_000) -> None:
        self.bad, self.reachable = set(bad), reachable
        self.requests: list[list[int]] = []
        self.taken: list[int] = []
        self.refused: list[int] = []

    def send(self, part: Sequence[int]) -> None:
        self.requests.append(list(part))
        if len(self.requests) > self.reachable:
            raise TransientError("NETWORK", "It cannot be reached.")
        if self.bad & set(part):
            raise BatchRefused("REFUSED", "It refuses the message.", status=400)
        self.taken += part

    def refuse(self, message: int, error: BatchRefused) -> None:
        assert error.status == 400
        self.refused.append(message)


def test_what_is_taken_is_sent_once() -> None:
    receiver = Receiver()
    send_bisected([1, 2, 3], receiver.send, receiver.refuse)
    assert receiver.requests == [[1, 2, 3]]


def test_bad_messages_are_refused_alone_and_the_others_go_in_their_order() -> None:
    receiver = Receiver(3, 4, 9)
    send_bisected(list(range(1, 11)), receiver.send, receiver.refuse)
    assert receiver.refused == [3, 4, 9]
    assert receiver.taken == [1, 2, 5, 6, 7, 8, 10]


def test_one_of_a_hundred_costs_a_few_requests() -> None:
    receiver = Receiver(77)
    send_bisected(list(range(100)), receiver.send, receiver.refuse)
    assert len(receiver.requests) <= 2 * 7 + 1


def test_another_error_ends_it_and_what_was_taken_is_known() -> None:
    receiver = Receiver(1, reachable=4)
    with pytest.raises(TransientError):
        send_bisected([1, 2, 3, 4], receiver.send, receiver.refuse)
    assert receiver.requests == [[1, 2, 3, 4], [1, 2], [1], [2], [3, 4]]
    assert (receiver.refused, receiver.taken) == ([1], [2])
