"""The endpoint for whole Segment workspaces: the subscription webhook, and Segment's Webhooks destinations.

Source: Segment docs, "Build a webhook" (status codes; `message` is what Segment shows to its user). X-Signature of the Webhooks
destinations is the hex HMAC-SHA1 of what JSON.stringify wrote: over the body; of an array, over its first element only. We take
the bytes as they came: writing them again could not reproduce JavaScript's numbers. Source: Segment docs, "Webhooks" and
action-destinations, `webhook`.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any

from jetbridge.control.directory import SourceRef
from jetbridge.control.secret_field import digest
from jetbridge.errors import MessageRejected
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.request import SUCCESS, Endpoint, HTTPError, IngestResponse, Request
from jetbridge.spec.limits import PARTNER_BYTES, PARTNER_EVENT_BYTES
from jetbridge.spec.message import CALL_TYPES
from jetbridge.spec.normalise import Arrival, UnsupportedType
from jetbridge.spec.parse import first_item, is_array, parse_array, parse_single
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted

#: Settings that the log must not hold. The authentication key has done its part: it let the call in.
SECRETS = frozenset({"apiKey"})


def webhook_endpoint(ingestion: Ingestion) -> Endpoint:
    async def endpoint(request: Request) -> IngestResponse:
        source, secrets = await _authenticate(ingestion, request)
        body, is_authentic = b"", secrets is None
        try:
            body = await request.body(PARTNER_BYTES)
            if secrets is not None:
                signature = request.headers[b"x-signature"].decode("latin-1")
                if not _is_signed(body, signature, secrets):
                    raise _bad_signature()
                is_authentic = True
            arrival = Arrival(
                received_at=ingestion.clock(),
                types=CALL_TYPES,
                processed=True,
                settings=_settings(request.headers.get(b"x-segment-settings")),
                max_call_bytes=PARTNER_EVENT_BYTES,
            )
            if is_array(body):
                parsed = await request.admission.work(len(body), parse_array(body, arrival))
            else:
                parsed = parse_single(body, arrival)
        except (MessageRejected, HTTPError) as reason:
            if is_authentic:
                await ingestion.append_unreadable(source, body, reason)
            raise
        await ingestion.append(source, parsed, arrival.received_at)
        if parsed.accepted:
            return SUCCESS
        if not parsed.rejected:
            raise HTTPError(400, "empty_batch", "The array holds no calls.")
        rejection: MessageRejected = parsed.rejected[0].reason
        if isinstance(rejection, UnsupportedType):
            raise HTTPError(501, "unsupported_type", str(rejection))
        raise rejection

    return endpoint


async def _authenticate(ingestion: Ingestion, request: Request) -> tuple[SourceRef, list[str] | None]:
    """The source, and the secrets of which one must have signed the body; None if the key itself was presented.

    Before the body is read: no unknown sender makes us hold megabytes. Raises HTTPError (401).
    """
    source_id: int | None = request.scope["path_params"].get("source_id")
    user = request.basic_user()
    if user is not None:
        key_digest = digest(user)
        source = await ingestion.source_auth.find(
            lambda credentials: credentials.by_authentication_key_digest.get(key_digest)
        )
        if source is None or source_id not in {None, source.id}:
            raise HTTPError(401, "unknown_authentication_key", "This authentication key is not known here.")
        return source, None
    if b"x-signature" not in request.headers:
        raise HTTPError(
            401,
            "no_authentication_key",
            "Send the authentication key as the user of HTTP Basic, with an empty password.",
        )
    if source_id is None:
        raise HTTPError(
            401,
            "no_connection",
            "A signed request must name its app connection: use the address /segment/{number} that Jetbridge shows.",
        )
    source = await ingestion.source_auth.find(
        lambda credentials: next(
            (row for row in credentials.by_authentication_key_digest.values() if row.id == source_id), None
        )
    )
    credentials = ingestion.source_auth.credentials
    secrets = credentials.authentication_keys.get(source.id) if source and credentials else None
    if not source or not secrets:
        raise _bad_signature()
    return source, secrets


def _is_signed(body: bytes, signature: str, secrets: list[str]) -> bool:
    """Whether one of the secrets signed the body. Constant time in what the signature is.

    Raises MessageRejected where there is no call, or one that is too large.
    """
    if is_array(body):
        signed = first_item(body, PARTNER_EVENT_BYTES)
    elif len(body) > PARTNER_EVENT_BYTES:
        raise MessageRejected("payload_too_large", f"A call has at most {PARTNER_EVENT_BYTES} bytes.")
    else:
        signed = body
    digests = (hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest() for secret in secrets)
    signature = signature.strip().lower()
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for expected in digests)


def _bad_signature() -> HTTPError:
    return HTTPError(
        401,
        "bad_signature",
        "X-Signature does not fit: the shared secret must be the authentication key of this app connection.",
    )


def _settings(header: bytes | None) -> dict[str, Any] | None:
    """Raises MessageRejected: without a setting that cannot be read, the call might go where it must not."""
    if not header:
        return None
    try:
        settings = read_untrusted(base64.b64decode(header + b"=="))
    except (binascii.Error, *JSON_ERRORS):
        settings = None
    if not isinstance(settings, dict):
        raise MessageRejected("bad_settings", "X-Segment-Settings is not base64 of a JSON object.")
    return {name: value for name, value in settings.items() if name not in SECRETS}
