"""The OpenAPI document of the API, made from its endpoints: it cannot tell of one that is not there."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from jetbridge.console.api.endpoint import Endpoint
from jetbridge.console.api.kinds import LARGEST
from jetbridge.console.api.refusal import Problem
from jetbridge.console.api.routes import BY_HEADING, ENDPOINTS

_REF = "#/components/schemas/{name}"
#: Status -> what it says, for every endpoint.
REFUSALS = {
    "401": "No token, or one that is not known.",
    "403": "The token's role is too small.",
    "404": "There is no such thing in the token's workspace.",
    "422": "What was sent cannot be done; the sentence says why. Nothing was changed.",
    "503": "Not now; Retry-After says when to ask again. Nothing was changed.",
}


@cache
def document(address: str) -> dict[str, Any]:
    """`address`: where this Jetbridge is."""
    types = [kind for each in ENDPOINTS for kind in (each.body, each.answer) if kind]
    schemas, components = msgspec.json.schema_components([Problem, *types], ref_template=_REF)
    refs = dict(zip([Problem, *types], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for heading, endpoints in BY_HEADING.items():
        for each in endpoints:
            paths.setdefault(each.template, {})[each.method.lower()] = _operation(each, heading, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jetbridge",
            "version": version("jetbridge"),
            "description": "What the console and the commands can do, for programs. A token belongs to one workspace.",
        },
        "servers": [{"url": f"{address}/api/v1"}],
        "security": [{"token": []}],
        "tags": [{"name": heading} for heading in BY_HEADING],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": components,
            "responses": {
                status: {"description": sentence, "content": _json(refs[Problem])}
                for status, sentence in REFUSALS.items()
            },
        },
    }


def _operation(each: Endpoint, heading: str, refs: dict[Any, Any]) -> dict[str, Any]:
    refused = {status: {"$ref": f"#/components/responses/{status}"} for status in REFUSALS}
    operation: dict[str, Any] = {
        "operationId": each.name,
        "tags": [heading],
        "summary": each.summary,
        "description": f"{each.more} Takes the role {each.role.label.lower()}.".strip(),
        "parameters": [*map(_number, each.numbers), *_query(each.query)],
        "responses": {
            str(each.status): {"description": each.summary, "content": _json(refs[each.answer])},
            **refused,
        },
    }
    if each.body:
        required = any(field.required for field in msgspec.structs.fields(each.body))
        operation["requestBody"] = {"required": required, "content": _json(refs[each.body])}
    return operation


def _number(name: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": LARGEST}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(struct: Any) -> list[dict[str, Any]]:
    """One parameter per field."""
    if struct is None:
        return []
    (_,), components = msgspec.json.schema_components([struct], ref_template=_REF)
    schema = components[struct.__name__]
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
