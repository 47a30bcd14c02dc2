"""The settings that Analytics.js and the mobile libraries load before they send anything.

Shape: analytics-next's own CDN settings fixture. `apiHost` has no scheme; Analytics.js takes that from
`protocol`, the mobile libraries always use https.
"""

from urllib.parse import urlsplit

from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.request import Endpoint, Request
from jetbridge.ingest.responses import HTTPError, IngestResponse, json_response
from jetbridge.ingest.source_auth import by_write_key


def sdk_settings_endpoint(ingestion: Ingestion, public_url: str) -> Endpoint:
    async def endpoint(request: Request) -> IngestResponse:
        key = request.param("write_key")
        if await ingestion.source_auth.find(by_write_key(key)) is None:
            raise HTTPError(404, "unknown_write_key", "This write key is not known here.")
        response = json_response(_settings(key, public_url))
        response.headers.append((b"cache-control", b"public, max-age=60"))
        return response

    return endpoint


def _settings(write_key: str, public_url: str) -> dict[str, object]:
    address = urlsplit(public_url)
    default = {"__default": {"enabled": True, "integrations": {}}}
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{address.netloc}{address.path}/v1",
                "protocol": address.scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": default, "identify": default, "group": default},
        "edgeFunction": {},
        "middlewareSettings": {"routingRules": []},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
