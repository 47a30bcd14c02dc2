"""How a call is declared and who makes it: a function on a router of its noun, called with an API token.

    @router.post("/sources", auth=editor, response={201: SourceOut})
    def create_source(request: ApiRequest, body: SourceIn) -> SourceOut:
        '''Create a source for Segment's libraries and HTTP API.'''

The name of the function is the operationId, the first line of its docstring the summary, and the rest the
description. Without `auth` a call takes the role viewer; none is open.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Router
from ninja.constants import NOT_SET
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.security.base import AuthBase

from jetbridge.api.errors import MAX_NAME, HTTPError, not_found
from jetbridge.api.schemas import QuerySchema
from jetbridge.control.api_tokens import authenticate
from jetbridge.control.audit import Actor
from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.control.people import ApiToken, Role

Row = TypeVar("Row", bound=Model)

#: A body holds at most so many values, since each may be a fault that takes half a kilobyte to describe.
MAX_VALUES = 20_000


@dataclass(frozen=True)
class Caller:
    """`role` is the token's, or that of its member if that is the lesser one."""

    token: ApiToken
    workspace: Workspace
    role: Role

    def find(self, rows: QuerySet[Row], id_: int, noun: str) -> Row:
        """The row with this id among the workspace's `rows`. Raises HTTPError (404)."""
        row = rows.filter(pk=id_).first()
        if row is None:
            raise not_found(noun, id_, self.workspace)
        return row

    def destination(self, id_: int) -> Destination:
        """Raises HTTPError (404)."""
        rows = self.workspace.destinations.prefetch_related("sources")
        return self.find(rows, id_, "destination")

    def destination_ref(self, id_: int) -> DestinationRef:
        """With its settings as delivery has them. Raises HTTPError (404)."""
        row = self.destination(id_)
        return next(ref for ref in destinations_of(self.workspace.id) if ref.id == row.id)

    def source(self, id_: int) -> Source:
        """Raises HTTPError (404)."""
        return self.find(self.workspace.sources.select_related("workspace"), id_, "source")

    def require(self, role: Role) -> None:
        """Raises HTTPError (403)."""
        if not self.role.allows(role):
            raise HTTPError(
                "INSUFFICIENT_ROLE",
                f"The token {self.token.name} has the role {self.role.label.lower()} in {self.workspace}; "
                f"this takes the role {role.label.lower()}.",
                fix=f"Ask an owner of {self.workspace} for a token with the role {role.label.lower()}.",
            )

    @property
    def actor(self) -> Actor:
        """As whom it changes something: the audit log names the token."""
        user = self.token.user
        return Actor(self.workspace, user, f"{self.token.name}, a token of {user.email}")


class ApiRequest(HttpRequest):
    """What calls get, for type checkers: a request has this attribute, and never this class."""

    auth: Caller


class TokenAuth(AuthBase):
    """Lets a token in whose role allows `role`. Cookies count for nothing, so there is nothing to forge across sites."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, role: Role) -> None:
        super().__init__()
        self.role = role

    def __call__(self, request: HttpRequest) -> Caller:
        """Raises InvalidToken, HTTPError (403)."""
        token, role = authenticate(request.headers.get("authorization", ""))
        caller = Caller(token, token.workspace, role)
        request.auth = caller  # type: ignore[attr-defined]  # an error, too, is written for the caller's role
        caller.require(self.role)
        return caller


viewer, editor, owner = TokenAuth(Role.VIEWER), TokenAuth(Role.EDITOR), TokenAuth(Role.OWNER)


class ApiRouter(Router):
    def add_api_operation(
        self, path: str, methods: list[str], view_func: Callable[..., Any], **options: Any
    ) -> None:
        summary, _, more = (inspect.getdoc(view_func) or "").partition("\n")
        texts = [more]
        for parameter in inspect.signature(view_func).parameters.values():
            # django-ninja documents query parameters one by one, and leaves out what their schema says of all of them.
            annotation = parameter.annotation
            schema = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
            if isinstance(schema, type) and issubclass(schema, QuerySchema):
                texts.append(schema.__doc__ or "")
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
        operation.view_func = _reject_unknown_parameters(view_func, parameters)


def _reject_unknown_parameters(view_func: Callable[..., Any], parameters: set[str]) -> Callable[..., Any]:
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
        count, containers = 0, [body]
        while containers:
            container = containers.pop()
            values = list(container.values()) if isinstance(container, dict) else container
            if isinstance(values, list):
                count += len(values)
                containers.extend(value for value in values if isinstance(value, dict | list))
            if count > MAX_VALUES:
                raise ValueError(f"it holds more than {MAX_VALUES:,} values")
        return body


class JsonRenderer(BaseRenderer):
    """Times in UTC end with Z, in microseconds; json of the standard library would need an encoder for them."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002 - ninja's signature
        return msgspec.json.encode(data)
