"""The errors of Jetbridge, split by what the caller does next, never by where they were raised.

JetbridgeError
  ConfigurationError      the start (or the command) stops; the message says which setting and what is accepted
  MessageRejected         the sender gets a 4xx; carries a code of Segment's vocabulary
  Backpressure            the sender gets a 503 with Retry-After and keeps the message
  DeliveryError           one attempt at a destination did not succeed
    TransientError        try again later; may say when
    PermanentError        this message will never be taken; it becomes a failure with its reason
    PauseError            the destination itself is wrong (credentials, list); stop it and keep its place

Messages are read by everybody in a workspace. The response of a host, or where an address leads, is for editors only:
`text.for_editors` marks it in a message, and the ways to a viewer (`console.access`, `api.urls`) take it out.
"""


class JetbridgeError(Exception):
    """Root of all errors that Jetbridge raises on purpose; `str()` is for a person."""


class ConfigurationError(JetbridgeError):
    pass


class ConflictError(ConfigurationError):
    """The request would be right, but not beside what is there now: a name that is taken, a job that has ended."""


class MessageRejected(JetbridgeError):
    """A message from outside that is not a Segment call.

    `code` is one of Segment's "Failed on ingest" codes (Segment docs, Delivery Overview discards).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Backpressure(JetbridgeError):
    def __init__(self, message: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    @property
    def public_message(self) -> str:
        """What strangers may read. `str()` is for the operator, and may name a path."""
        return str(self)


class DeliveryError(JetbridgeError):
    """`code` is stable and upper-case, for counters and filters; the message may change."""

    def __init__(self, code: str, message: str, *, status: int | None = None, response: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.response = response


class TransientError(DeliveryError):
    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        response: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(code, message, status=status, response=response)
        self.retry_after_seconds = retry_after_seconds


class PermanentError(DeliveryError):
    pass


class PauseError(DeliveryError):
    pass
