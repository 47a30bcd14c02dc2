"""The API as a whole: its routers in the order of the documentation, how it reads and writes, and its errors."""

from importlib import import_module
from importlib.metadata import version

from ninja import NinjaAPI

from jetbridge.api import errors
from jetbridge.api.routing import JsonParser, JsonRenderer
from jetbridge.integrations import registry


class JsonApi(NinjaAPI):
    def get_content_type(self) -> str:
        """Without a charset: JSON has none to choose from (RFC 8259, section 11)."""
        return str(self.renderer.media_type)


#: Modules of `jetbridge.api.routers`, in the order of the documentation; those of integrations follow.
ROUTERS = (
    "workspace",
    "sources",
    "source_schema",
    "messages",
    "imports",
    "catalog",
    "destinations",
    "figures",
    "event_tester",
    "failures",
    "tasks",
    "replays",
    "syncs",
    "trace",
    "contacts",
    "audiences",
    "computed_traits",
    "profiles",
    "members",
    "tokens",
    "alerts",
    "audit_log",
)


def build(namespace: str = "") -> JsonApi:
    """The API with the calls of the integrations that there are. A second one in a process needs a `namespace`."""
    # Its own pages load Swagger or Redoc, which the content security policy forbids: `docs` has ours.
    made = JsonApi(
        title="Jetbridge",
        version=version("jetbridge"),
        description="What the console and the commands can do, for programs. A token belongs to one workspace.",
        docs_url=None,
        openapi_url=None,
        parser=JsonParser(),
        renderer=JsonRenderer(),
        urls_namespace=namespace or None,
    )
    errors.register(made)
    own = [f"jetbridge.api.routers.{name}" for name in ROUTERS]
    for module in (*own, *(integration.api for integration in registry.integrations() if integration.api)):
        made.add_router("", import_module(module).router)
    return made


api = build()
