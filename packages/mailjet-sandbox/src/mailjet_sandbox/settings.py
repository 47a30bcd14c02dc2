"""The options of a sandbox."""

from pathlib import Path

import msgspec

from mailjet_sandbox.faults.kinds import Fault


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one sandbox. Times are in seconds."""

    api_key: str
    secret_key: str
    #: Loaded at start, written from time to time and at stop; None keeps everything in memory.
    state_file: Path | None = None
    #: From the acceptance of a job to the moment it begins to write contacts.
    job_delay_seconds: float = 0.2
    #: Between attempts at a callback URL that did not answer 200. [D]
    event_retry_seconds: float = 30.0
    #: After the first failure, how long a callback URL is tried before it is suspended. [D]
    event_give_up_seconds: float = 24 * 3600.0
    #: At most one grouped call per URL in this time. [D]
    event_group_seconds: float = 1.0
    #: How long a callback URL may take to answer. [X]
    event_timeout_seconds: float = 10.0
    #: API calls answered per second; more get 429. None: no limit.
    rate_limit: int | None = None
    #: Makes list addresses, message identifiers and faults repeatable.
    seed: int = 0
    #: Segment calls with another write key are dropped; empty: every key is accepted.
    segment_write_key: str = ""
    #: Set from the start.
    faults: tuple[Fault, ...] = ()
