"""How a receiver knows that a request is ours: as Segment's Webhooks destination signs, and as Standard Webhooks does.

Sources: Segment docs, "Webhooks destination" (X-Signature); standardwebhooks.com, the specification.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from jetbridge.text import pluralize


def x_signature(secret: str, body: bytes) -> str:
    """HMAC-SHA1 in hex over the bytes of the body, before they are compressed."""
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def webhook_id(destination: int, message_ids: Sequence[str]) -> str:
    """The same for the same messages sent to the same destination, whenever they are sent."""
    ids = "\n".join([str(destination), *message_ids])
    return "msg_" + hashlib.blake2b(ids.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def standard_headers(secret: str, id_: str, body: bytes, now: datetime) -> dict[str, str]:
    """Headers of Standard Webhooks. `secret` is base64, with or without its `whsec_`; `now` is part of what is signed."""
    at = now.astimezone(UTC).replace(microsecond=0)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, at, body.decode()),
    }


def secret_problem(secret: str) -> str:
    """Why Standard Webhooks takes no such secret; "" if it does."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==", validate=True)
    except ValueError:
        return "It is no secret of Standard Webhooks: those are base64, mostly with whsec_ in front."
    return (
        ""
        if 24 <= len(key) <= 64
        else f"It has {pluralize(len(key), 'byte')}; Standard Webhooks wants 24 to 64."
    )
