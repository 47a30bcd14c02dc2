"""Cross-origin answers for /v1/* and for nothing else: any web page may send there, with or without credentials.

Analytics.js from 1.84.0 on sends Authorization and X-Retry-Count, so every event has a preflight; the answer
is kept as long as browsers allow. Retry-After must be exposed, or JavaScript cannot read it. There are no
cookies on these paths, so allowing credentials gives nothing away.
"""

from jetbridge.ingest.responses import Headers, IngestResponse

#: Paths that web pages of other origins may use.
CORS_PREFIX = "/v1/"

#: Firefox keeps a preflight's answer a day; Chrome takes its own maximum of two hours.
MAX_AGE_SECONDS = 86_400


def cors_headers(origin: bytes) -> Headers:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"Retry-After, X-RateLimit-Reset"),
        (b"vary", b"Origin"),
    ]


def preflight(headers: dict[bytes, bytes]) -> IngestResponse:
    """What OPTIONS is answered, besides `cors_headers`, whatever the path: the SDK allows any header."""
    requested = headers.get(b"access-control-request-headers", b"authorization, content-type, x-retry-count")
    return IngestResponse(
        200,
        b"",
        [
            (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
            (b"access-control-allow-headers", requested),
            (b"access-control-max-age", str(MAX_AGE_SECONDS).encode()),
            (b"allow", b"GET, HEAD, POST, OPTIONS"),
        ],
    )
