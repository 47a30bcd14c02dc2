"""Reads of much leave Mailjet's answers to the deliveries."""

from dataclasses import dataclass, field

from jetbridge.errors import TransientError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.rate_limiter import FIRST_RATE
from jetbridge.integrations.mailjet.sync.remote import Reads

LIMITED = TransientError("TOO_MANY_REQUESTS", "Fewer.", status=429)


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def test_reads_keep_their_pace_and_take_a_quarter_of_a_limit() -> None:
    client, time = MailjetClient("http://127.0.0.1:9", "key", "secret"), Time()
    reads = Reads(client, per_second=5, clock=time.clock, sleep=time.sleep)
    for _ in range(3):
        reads.read(lambda: None)
    assert time.slept == [0.2, 0.2]

    client._transport.rate_limiter.record_failure(client._transport.rate_limiter.wait(), LIMITED)
    assert client.calls_per_second == FIRST_RATE
    for _ in range(3):
        reads.read(lambda: None)
    assert time.slept[3:] == [0.4, 0.4]


def test_a_limit_that_is_higher_slows_nobody_down() -> None:
    client, time = MailjetClient("http://127.0.0.1:9", "another key", "secret"), Time()
    reads = Reads(client, per_second=2, clock=time.clock, sleep=time.sleep)
    client._transport.rate_limiter.record_failure(client._transport.rate_limiter.wait(), LIMITED)
    for _ in range(3):
        reads.read(lambda: None)
    assert time.slept == [0.5, 0.5]
