"""Who calls: the keys in a request, in each of the ways that Segment's documents and libraries know."""

import base64
import binascii
from collections.abc import Mapping


def basic_user(headers: Mapping[bytes, bytes]) -> str | None:
    """The user name of HTTP Basic, with or without the colon after it; None if there is none to read.

    A Bearer token names no source; its sender puts the write key into the body.
    """
    scheme, _, encoded = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        text = base64.b64decode(encoded.strip() + b"==").decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text.partition(":")[0] or None
