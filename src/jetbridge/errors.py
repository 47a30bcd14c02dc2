"""The errors of Jetbridge, split by what the caller does next, never by where they were raised.

JetbridgeError
  ConfigurationError      the start (or the command) stops; the sentence says which setting and what is accepted
  MessageRejected         the sender is answered 4xx; carries a code of Segment's vocabulary
  Backpressure            the sender is answered 503 with Retry-After and keeps the message
  DeliveryError           one attempt at a destination did not succeed
    TransientError        try again later; may say when
    PermanentError        this message will never be taken; it becomes a failure with its reason
    PauseError             the destination itself is wrong (credentials, list); stop it and keep its place

Sentences are read by everybody in a workspace. What a host answered, or where an address leads, is for editors only:
`for_editors` marks it in a sentence, and the ways to a viewer (`console.access`, `api.urls`) take it out.
"""

import re

from jetbridge.text import one_line

#: Heavy quotation marks, which nobody types: what stands between them is from outside, in one line.
_OPEN, _CLOSE = "❝", "❞"
#: In HTML and JSON, where a sentence that was cut off ends at the next tag or quotation mark.
_MARKED = re.compile(f'{_OPEN}[^{_CLOSE}"<]*{_CLOSE}?')
#: What ends a marked part, or is written in another way in HTML and in JSON.
_OTHERWISE = str.maketrans({_OPEN: "'", _CLOSE: "'", '"': "'", "<": "(", ">": ")", "\\": "/"})


def for_editors(words: str, characters: int = 300) -> str:
    """Words of somebody else for a sentence: shortened, in one line, without what a terminal or a page would obey."""
    return f"{_OPEN}{one_line(words).translate(_OTHERWISE)[:characters]}{_CLOSE}"


def for_viewers(text: str) -> str:
    """A response in HTML or JSON without them."""
    return _MARKED.sub("…", text)


class JetbridgeError(Exception):
    """Root of all errors that Jetbridge raises on purpose; `str()` is a sentence for a person."""


class ConfigurationError(JetbridgeError):
    pass


class ConflictError(ConfigurationError):
    """What is asked for would be right, but not beside what is there now: a name that is taken, a job that has ended."""


class MessageRejected(JetbridgeError):
    """A message from outside that is not a Segment call.

    `code` is one of Segment's "Failed on ingest" codes (Segment docs, Delivery Overview discards).
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Backpressure(JetbridgeError):
    def __init__(self, sentence: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds

    @property
    def public_message(self) -> str:
        """What strangers may read. `str()` is for the operator, and may name a path."""
        return str(self)


class DeliveryError(JetbridgeError):
    """`code` is stable and upper-case, for counters and filters; the sentence may change."""

    def __init__(self, code: str, sentence: str, *, status: int | None = None, answer: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.status = status
        self.answer = answer


class TransientError(DeliveryError):
    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        status: int | None = None,
        answer: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(code, sentence, status=status, answer=answer)
        self.retry_after_seconds = retry_after_seconds


class PermanentError(DeliveryError):
    pass


class PauseError(DeliveryError):
    pass
