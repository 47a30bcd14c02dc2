"""Secrets in tables: encrypted at rest, plain only on a loaded object.

Fernet of the `cryptography` library: authenticated, and a value that was tampered with, or written under
another JETBRIDGE_SECRET_KEY, fails loudly instead of decrypting to something else.
"""

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models

from jetbridge.errors import ConfigurationError


@cache
def _fernet(secret_key: str) -> Fernet:
    key = hashlib.sha256(b"jetbridge secret field:" + secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(text: str) -> str:
    """A text that a browser may keep and cannot read, for `unseal`."""
    return _fernet(settings.SECRET_KEY).encrypt(text.encode()).decode()


def unseal(sealed: str, seconds: int) -> str | None:
    """What was sealed up to so many seconds ago; None for anything else."""
    try:
        return _fernet(settings.SECRET_KEY).decrypt(sealed.encode(), ttl=seconds).decode()
    except InvalidToken:
        return None


def digest(secret: str) -> str:
    """What a secret is looked up by: SHA-256, hex. Our secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def destination_tag(destination: int) -> str:
    """What names a destination of this Jetbridge in messages that leave it, and says nothing to anybody else."""
    text = f"jetbridge destination:{destination}:{settings.SECRET_KEY}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if TYPE_CHECKING:
    _Text = models.TextField[str, str]
else:
    _Text = models.TextField  # generic for type checkers only


class SecretField(_Text):
    """Text that the database holds encrypted."""

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return text and _fernet(settings.SECRET_KEY).encrypt(text.encode()).decode()

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        if not value:
            return value
        try:
            return _fernet(settings.SECRET_KEY).decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise ConfigurationError(
                f"A stored {self.name} was encrypted under another JETBRIDGE_SECRET_KEY. "
                "Start with the key that this JETBRIDGE_HOME was made with."
            ) from error
