"""Secrets that a body sends back as they were shown are left as they are: what is read can be written unchanged."""

from urllib.parse import urlsplit

from jetbridge.api.errors import HTTPError
from jetbridge.integrations.setting import MASK


def unmasked(name: str, value: str | None, shown: str = "") -> str:
    """The secret that a body holds; "" where it is absent, or comes back as it was `shown`.

    Raises HTTPError (422) where it holds the mask of another one.
    """
    if not value or value == shown:
        return ""
    if MASK in value:
        raise HTTPError(
            "INVALID_VALUE",
            f"{name}: {MASK} stands for a secret that is stored elsewhere, or has changed.",
            fix="Send the secret itself, or leave it out to keep the stored one.",
            errors=[{"pointer": f"/{name}", "detail": "A mask"}],
        )
    return value


def masked_url(url: str) -> str:
    """Where it leads; the rest may let anybody in who knows it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/{MASK}" if url else ""
