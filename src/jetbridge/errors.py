"""The errors of Jetbridge, split by what the caller does next, never by where they were raised.

JetbridgeError
  ConfigurationError      the start (or the command) stops; the sentence says which setting and what is accepted
  MessageRejected         the sender is answered 4xx; carries a code of Segment's vocabulary
  Backpressure            the sender is answered 503 with Retry-After and keeps the message
  DeliveryError           one attempt at a destination did not succeed
    TransientError        try again later; may say when
    PermanentError        this message will never be taken; it becomes a failure with its reason
    HoldError             the destination itself is wrong (credentials, list); stop it and keep its place
"""


class JetbridgeError(Exception):
    """Root of all errors that Jetbridge raises on purpose; `str()` is a sentence for a person."""


class ConfigurationError(JetbridgeError):
    pass


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


class HoldError(DeliveryError):
    pass
