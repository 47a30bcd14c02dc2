"""How a call is declared: a function on a router of its noun.

    @router.post("/sources", auth=editor, response={201: SourceOut})
    def create_source(request: ApiRequest, body: SourceIn) -> SourceOut:
        '''Create a source for Segment's libraries and HTTP API.'''

The name of the function is the operationId, the first line of its docstring the summary, and the rest the
description. Without `auth` a call takes the role viewer; none is open.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_args, get_origin

import msgspec
from django.http import HttpRequest
from ninja import Router
from ninja.constants import NOT_SET
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from jetbridge.api.auth import viewer
from jetbridge.api.errors import MAX_NAME, HTTPError
from jetbridge.api.schemas import QuerySchema

#: A body holds at most so many values, since each may be a fault that takes half a kilobyte to describe.
MAX_VALUES = 20_000


class ApiRouter(Router):
    def add_api_operation(
        self, path: str, methods: list[str], view_func: Callable[..., Any], **options: Any
    ) -> None:
        summary, _, more = (inspect.getdoc(view_func) or "").partition("\n")
        schemas = inspect.signature(view_func).parameters.values()
        texts = [more, *(_text_of_query(parameter.annotation) for parameter in schemas)]
        auth = viewer if options["auth"] is NOT_SET else options["auth"]
        options |= {
            "auth": auth,
            "operation_id": view_func.__name__,
            "summary": summary.rstrip("."),
            "description": " ".join([*" ".join(texts).split(), f"Takes the role {auth.role.value}."]),
            "openapi_extra": {"x-role": auth.role.value, **(options["openapi_extra"] or {})},
        }
        super().add_api_operation(path, methods, view_func, **options)
        operation = self.path_operations[path].operations[-1]
        query = next((model for model in operation.models if model.__ninja_param_source__ == "query"), None)
        parameters = set(query.__ninja_flatten_map__) if query else set()
        operation.view_func = _refuse_other_parameters(view_func, parameters)


def _text_of_query(annotation: Any) -> str:
    """django-ninja documents query parameters one by one, and leaves out what their schema says of all of them."""
    schema = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    is_query = isinstance(schema, type) and issubclass(schema, QuerySchema)
    return (schema.__doc__ or "") if is_query else ""


def _refuse_other_parameters(view_func: Callable[..., Any], parameters: set[str]) -> Callable[..., Any]:
    """django-ninja leaves out query parameters that a call does not declare; a mistyped one must not be silent."""

    @wraps(view_func)
    def call(request: HttpRequest, **values: Any) -> Any:
        if unknown := sorted(request.GET.keys() - parameters):
            known = f"It takes {', '.join(sorted(parameters))}." if parameters else "It takes none."
            raise HTTPError(
                "INVALID_REQUEST",
                f"{unknown[0][:MAX_NAME]}: This call has no such query parameter. {known}",
                errors=[{"parameter": name[:MAX_NAME], "detail": "Unknown"} for name in unknown[:20]],
            )
        return view_func(request, **values)

    return call


class JsonParser(Parser):
    """msgspec is strict where `json` is not: it takes neither NaN nor halves of surrogate pairs."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Whatever it raises, django-ninja turns into an `HttpError`."""
        body = msgspec.json.decode(request.body)
        if _has_too_many_values(body):
            raise ValueError(f"it holds more than {MAX_VALUES:,} values")
        return body


def _has_too_many_values(body: Any) -> bool:
    count, containers = 0, [body]
    while containers and count <= MAX_VALUES:
        container = containers.pop()
        values = list(container.values()) if isinstance(container, dict) else container
        if isinstance(values, list):
            count += len(values)
            containers.extend(value for value in values if isinstance(value, dict | list))
    return count > MAX_VALUES


class JsonRenderer(BaseRenderer):
    """Times in UTC end with Z, in microseconds; json of the standard library would need an encoder for them."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002 - ninja's signature
        return msgspec.json.encode(data)
