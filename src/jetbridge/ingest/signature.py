"""X-Signature of Segment's Webhooks destinations: hex HMAC-SHA1 of what JSON.stringify wrote.

Over the body; of an array, over its first element only. We take the bytes as they came: writing them again
could not reproduce JavaScript's numbers. Source: Segment docs, "Webhooks" and action-destinations, `webhook`.
"""

import hashlib
import hmac

from jetbridge.errors import MessageRejected
from jetbridge.spec.limits import PARTNER_EVENT_BYTES
from jetbridge.spec.parse import first_item


def signature_fits(body: bytes, signature: str, secret: str) -> bool:
    """Constant time in what the signature says. Raises MessageRejected where there is no call, or one that is too large."""
    if not is_array(body) and len(body) > PARTNER_EVENT_BYTES:
        raise MessageRejected("payload_too_large", f"A call has at most {PARTNER_EVENT_BYTES} bytes.")
    signed = first_item(body, PARTNER_EVENT_BYTES) if is_array(body) else body
    expected = hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())


def is_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["
