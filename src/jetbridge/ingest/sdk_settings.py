"""The settings that Analytics.js and the mobile libraries load before they send anything.

Shape: analytics-next's own CDN settings fixture. `apiHost` has no scheme; Analytics.js takes that from
`protocol`, the mobile libraries always use https.
"""

from urllib.parse import urlsplit

from jetbridge.ingest.answer import Answer, Refused, json_answer
from jetbridge.ingest.intake import Intake
from jetbridge.ingest.request import Door, Request


def sdk_settings_door(intake: Intake, public_url: str) -> Door:
    async def door(request: Request) -> Answer:
        key = request.param("write_key")
        if await intake.callers.find(lambda doors: doors.by_write_key.get(key)) is None:
            raise Refused(404, "unknown_write_key", "This write key is not known here.")
        answer = json_answer(_settings(key, public_url))
        answer.headers.append((b"cache-control", b"public, max-age=60"))
        return answer

    return door


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
