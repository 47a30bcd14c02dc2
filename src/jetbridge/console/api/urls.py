"""Addresses of the API, below /api/v1/."""

from collections import defaultdict

from django.urls import URLPattern, path, re_path

from jetbridge.console.api import docs
from jetbridge.console.api.endpoint import Endpoint
from jetbridge.console.api.routes import ENDPOINTS
from jetbridge.console.api.view import nothing, view_of

_by_path: defaultdict[str, list[Endpoint]] = defaultdict(list)
for _each in ENDPOINTS:
    _by_path[_each.path].append(_each)

urlpatterns: list[URLPattern] = [
    path("", docs.page, name="api-docs"),
    path("openapi.json", docs.openapi, name="api-openapi"),
    *(
        path(address, view_of(endpoints), name=f"api-{endpoints[0].name.replace('_', '-')}")
        for address, endpoints in _by_path.items()
    ),
    re_path(
        r"(?P<rest>(?s:.+))\Z", nothing, name="api-nothing"
    ),  # a line break in a path is not of `path`'s own
]
