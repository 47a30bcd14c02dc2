"""The API told to its users: the OpenAPI document, and a plain page made from it. Both need no token."""

import json
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jetbridge.console.api.openapi import document
from jetbridge.console.api.refusal import JSON
from jetbridge.console.api.routes import BY_HEADING


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return HttpResponse(msgspec.json.encode(document(settings.CONFIG.public_url)), content_type=JSON)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    made = document(settings.CONFIG.public_url)
    schemas = {name: _text(each) for name, each in made["components"]["schemas"].items()}
    context = {"headings": BY_HEADING, "address": made["servers"][0]["url"], "schemas": schemas}
    return render(request, "console/api/docs.html", context)


def _text(schema: Any) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False)
