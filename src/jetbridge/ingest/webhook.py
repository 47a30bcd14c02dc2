"""The endpoint for whole Segment workspaces: the subscription webhook, and Segment's Webhooks destinations.

Source: Segment docs, "Build a webhook" (status codes; `message` is what Segment shows to its user).
"""

import base64
import binascii
from typing import Any

from jetbridge.control.directory import Credentials, SourceRef
from jetbridge.control.secret_field import digest
from jetbridge.errors import MessageRejected
from jetbridge.ingest.credentials import basic_user
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.request import Endpoint, Request
from jetbridge.ingest.responses import SUCCESS, HTTPError, IngestResponse
from jetbridge.ingest.signature import is_array, signature_fits
from jetbridge.spec.limits import PARTNER_BYTES, PARTNER_EVENT_BYTES
from jetbridge.spec.message import CALL_TYPES
from jetbridge.spec.normalise import Arrival, UnsupportedType
from jetbridge.spec.parse import Parsed, parse_array, parse_single
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted

#: Settings that the log must not hold. The authentication key has done its part: it let the call in.
SECRETS = frozenset({"apiKey"})


def webhook_endpoint(ingestion: Ingestion) -> Endpoint:
    async def endpoint(request: Request) -> IngestResponse:
        source, secrets = await _source(ingestion, request)
        body, is_authentic = b"", secrets is None
        try:
            body = await request.body(PARTNER_BYTES)
            if secrets is not None:
                _check_signature(request, body, secrets)
                is_authentic = True
            arrival = Arrival(
                received_at=ingestion.clock(),
                types=CALL_TYPES,
                processed=True,
                settings=_settings(request.headers.get(b"x-segment-settings")),
                max_call_bytes=PARTNER_EVENT_BYTES,
            )
            if is_array(body):
                parsed = await ingestion.work(len(body), parse_array(body, arrival))
            else:
                parsed = parse_single(body, arrival)
        except (MessageRejected, HTTPError) as reason:
            if is_authentic:
                await ingestion.append_unreadable(source, body, reason)
            raise
        await ingestion.append(source, parsed, arrival.received_at)
        return _outcome(parsed)

    return endpoint


async def _source(ingestion: Ingestion, request: Request) -> tuple[SourceRef, list[str] | None]:
    """Who calls, and the secrets of which one must have signed the body; None if the key itself was presented.

    Before the body is read: nobody unknown makes us hold megabytes. Raises HTTPError (401).
    """
    source_id = _source_id(request)
    user = basic_user(request.headers)
    if user is None:
        return await _signer(ingestion, request, source_id)
    key_digest = digest(user)
    found = await ingestion.source_auth.find(
        lambda credentials: credentials.by_authentication_key_digest.get(key_digest)
    )
    if found is None or source_id not in {None, found.id}:
        raise HTTPError(401, "unknown_authentication_key", "This authentication key is not known here.")
    return found, None


async def _signer(
    ingestion: Ingestion, request: Request, source_id: int | None
) -> tuple[SourceRef, list[str]]:
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
    found = await ingestion.source_auth.find(lambda credentials: _connection(credentials, source_id))
    secrets = (
        found
        and ingestion.source_auth.credentials
        and ingestion.source_auth.credentials.authentication_keys.get(found.id)
    )
    if not found or not secrets:
        raise _bad_signature()
    return found, secrets


def _check_signature(request: Request, body: bytes, secrets: list[str]) -> None:
    signature = request.headers[b"x-signature"].decode("latin-1")
    if not any(signature_fits(body, signature, secret) for secret in secrets):
        raise _bad_signature()


def _bad_signature() -> HTTPError:
    return HTTPError(
        401,
        "bad_signature",
        "X-Signature does not fit: the shared secret must be the authentication key of this app connection.",
    )


def _connection(credentials: Credentials, source_id: int) -> SourceRef | None:
    known = credentials.by_authentication_key_digest.values()
    return next((source for source in known if source.id == source_id), None)


def _source_id(request: Request) -> int | None:
    source_id: int | None = request.scope["path_params"].get("source_id")
    return source_id


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


def _outcome(parsed: Parsed) -> IngestResponse:
    if parsed.accepted:
        return SUCCESS
    if not parsed.rejected:
        raise HTTPError(400, "empty_batch", "The array holds no calls.")
    reason: MessageRejected = parsed.rejected[0].reason
    if isinstance(reason, UnsupportedType):
        raise HTTPError(501, "unsupported_type", str(reason))
    raise reason
