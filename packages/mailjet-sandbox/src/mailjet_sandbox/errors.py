"""The legacy server's errors, word for word where they were recorded.

::

    MailjetError          rendered as {ErrorInfo, ErrorMessage, StatusCode}
    ├── TooLarge          rendered as HTML 413
    └── InternalError     500 with an ErrorIdentifier
"""

from typing import Any
from uuid import uuid4

INVALID_PROPERTIES = "Object properties invalid"
REQUIRED = "MJ03 A non-empty value is required"
NOT_DEFINED = "Property not defined"  # [D]
WRONG_TYPE = "Property type does not match definition"  # [D]


class MailjetError(Exception):
    """A request that the legacy server rejects; ``message`` and ``info`` may be text or an object [R]."""

    def __init__(
        self, status: int, message: Any, info: Any = "", media_type: str = "application/json"
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.info = info
        self.media_type = media_type


class TooLarge(MailjetError):
    """A body beyond what is read."""

    def __init__(self) -> None:
        super().__init__(413, "Request Entity Too Large")


class InternalError(MailjetError):
    """The legacy server's error for paths that it cannot resolve."""

    def __init__(
        self, message: str = "An Unexpected Error occurred during API request", info: str = ""
    ) -> None:
        super().__init__(500, message, info)
        self.identifier = str(uuid4()).upper()


def not_found() -> MailjetError:
    return MailjetError(404, "Object not found")


def source_not_found(media_type: str) -> MailjetError:
    """The DATA endpoints' own wording, under the type that the path asks for [R]."""
    return MailjetError(404, "Source object not found", media_type=media_type)


def method_not_allowed() -> MailjetError:
    return MailjetError(405, "Method not allowed")


def unknown_resource(name: str) -> MailjetError:
    return MailjetError(400, f'Unknown resource: "{name}"', "Bad Request")


def bad_id() -> MailjetError:
    return MailjetError(400, "Incorrect ID provided - ID type mismatch")


def bad_email(email: str) -> MailjetError:
    return MailjetError(400, bad_email_text(email))


def bad_email_text(email: str) -> str:
    """Only the missing @ was recorded [R]; the other reason is our own [X]."""
    reason = "Invalid characters or domain" if "@" in email else "No @ character in mail"
    return f'Invalid email address "{email}", reason: "{reason}"'


def already_exists(resource: str, value: str, key: str) -> MailjetError:
    return MailjetError(400, f'MJ18 A {resource} resource with value "{value}" for {key} already exists.')


def invalid_properties(info: Any) -> MailjetError:
    return MailjetError(400, INVALID_PROPERTIES, info)


def invalid_property(name: str, reason: str) -> MailjetError:
    return invalid_properties(f"MJ08 Property {name} is invalid: {reason}")


def unknown_field(type_name: str, name: str) -> MailjetError:
    return MailjetError(400, f'Invalid json input: object ""->"T{type_name}" has no property "{name}"')


def invalid_key_name(name: str) -> MailjetError:
    return MailjetError(400, f'Invalid key name: "{name}"')
