"""Errors of the API: whatever is raised becomes `application/problem+json` with a code and what to do.

The codes are those of `http.problem`. A handler per kind of error, registered with `register`.
"""

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from jetbridge.control.api_tokens import InvalidToken
from jetbridge.delivery import isolation
from jetbridge.engage.definition import DefinitionError
from jetbridge.engage.store import QueryTimeoutError
from jetbridge.errors import Backpressure, ConflictError, DeliveryError, JetbridgeError, TransientError
from jetbridge.http.problem import PROBLEM_JSON, PROBLEM_TYPES, problem_json

log = logging.getLogger(__name__)

#: When to send a request again if nobody says.
RETRY_AFTER_SECONDS = 5
_AUTHENTICATE = {"WWW-Authenticate": 'Bearer realm="Jetbridge"'}
#: Pydantic's types of errors that name dictionaries and classes, which JSON has not.
_NO_OBJECT = frozenset({"dict_type", "model_type", "model_attributes_type"})
#: A response names at most so many faults of a request, with names cut off at so many characters.
MAX_ERRORS, MAX_NAME = 20, 100


class HTTPError(Exception):
    """An error response. `code` is one of `PROBLEM_TYPES`, `detail` a message for a person."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        fix: str = "",
        headers: Mapping[str, str] | None = None,
        errors: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.code, self.fix, self.headers, self.errors = code, fix, headers or {}, errors


def not_found(noun: str, id_: object, place: object, *, fix: str = "") -> HTTPError:
    """Nothing of this kind has this id there."""
    return HTTPError("NOT_FOUND", f"There is no {noun} {str(id_)[:MAX_NAME]} in {place}.", fix=fix)


def error_response(error: HTTPError) -> HttpResponse:
    return HttpResponse(
        problem_json(error.code, str(error), fix=error.fix, errors=error.errors),
        status=PROBLEM_TYPES[error.code].status,
        content_type=PROBLEM_JSON,
        headers=dict(error.headers),
    )


def register(api: NinjaAPI) -> None:
    """The most special class of an error decides (ninja looks along its MRO)."""
    for kind, convert in {
        HTTPError: lambda error: error,
        ValidationError: _invalid_request,
        # What django-ninja raises by itself: only that a body cannot be parsed.
        HttpError: lambda error: HTTPError("INVALID_JSON", f"The body cannot be read: {error.__cause__}."),
        RequestDataTooBig: lambda _: HTTPError("BODY_TOO_LARGE", "The body is too large."),
        InvalidToken: lambda error: HTTPError("INVALID_TOKEN", str(error), headers=_AUTHENTICATE),
        DefinitionError: _invalid_definition,
        QueryTimeoutError: lambda error: _retry_later("UNAVAILABLE", str(error)),
        ConflictError: lambda error: HTTPError("CONFLICT", str(error)),
        Backpressure: lambda error: _retry_later(
            "UNAVAILABLE", error.public_message, error.retry_after_seconds
        ),
        TransientError: lambda error: _retry_later(
            "REMOTE_UNAVAILABLE", str(error), error.retry_after_seconds
        ),
        DeliveryError: lambda error: HTTPError("REMOTE_REJECTED", str(error)),
        JetbridgeError: lambda error: HTTPError("INVALID_VALUE", str(error)),
        Exception: _unexpected,
    }.items():
        api.add_exception_handler(kind, partial(_respond, convert))


def _respond(convert: Callable[[Any], HTTPError], request: HttpRequest, error: Exception) -> HttpResponse:
    http_error = convert(error)
    if http_error.code == "INTERNAL_ERROR":
        log.error("%s %s failed", request.method, request.path, exc_info=error)
    elif http_error.code == "UNAVAILABLE":
        log.warning("%s %s: %s", request.method, request.path, error)
    return error_response(http_error)


def _invalid_request(error: ValidationError) -> HTTPError:
    """Pydantic's faults, each with where it is: a JSON pointer into the body, or the name of a parameter."""
    faults = []
    for row in error.errors[:MAX_ERRORS]:
        source, *path = row["loc"]
        if source == "body":
            # The first step is the name of the function's parameter.
            place = {"pointer": "".join(f"/{str(step)[:MAX_NAME]}" for step in path[1:])}
        else:
            place = {"parameter": str(path[-1])[:MAX_NAME]}
        detail = "Input should be an object" if row["type"] in _NO_OBJECT else row["msg"]
        faults.append({**place, "detail": detail})
    if wrong_id := next((row for row in error.errors if row["loc"][0] == "path"), None):
        return HTTPError("NOT_FOUND", f"There is no {wrong_id['loc'][-1]} with this id.")
    first = faults[0]
    where = first.get("parameter") or first["pointer"].removeprefix("/") or "The body"
    more = len(error.errors) - 1
    others = f" There {'is' if more == 1 else 'are'} {more} more fault{'s' * (more > 1)}." if more else ""
    return HTTPError("INVALID_REQUEST", f"{where}: {first['detail']}.{others}", errors=faults)


def _invalid_definition(error: DefinitionError) -> HTTPError:
    """Of an audience or a computed trait; its place is "all[1].where[0]"."""
    place = "" if error.place == "definition" else error.place
    pointer = "".join(f"/{step[:MAX_NAME]}" for step in re.findall(r"[^.\[\]]+", place))
    fault = {"pointer": f"/definition{pointer}", "detail": error.problem}
    return HTTPError("INVALID_VALUE", str(error), errors=[fault])


def _unexpected(error: Exception) -> HTTPError:
    if isolation.is_environmental(error):
        return _retry_later("UNAVAILABLE", str(isolation.as_transient(error)))
    return HTTPError("INTERNAL_ERROR", "Jetbridge failed on this request.")


def _retry_later(code: str, detail: str, seconds: float | None = None) -> HTTPError:
    return HTTPError(code, detail, headers={"Retry-After": str(math.ceil(seconds or RETRY_AFTER_SECONDS))})
