"""From a request to an endpoint and back: who calls, may they, is what they say readable, what is the answer."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from jetbridge.console.access import View
from jetbridge.console.api.caller import caller_of
from jetbridge.console.api.endpoint import Endpoint
from jetbridge.console.api.kinds import LARGEST
from jetbridge.console.api.refusal import JSON, Refused
from jetbridge.errors import Backpressure, JetbridgeError, TransientError

log = logging.getLogger(__name__)

#: When it is worth asking again, if Mailjet does not say.
TRY_AGAIN_SECONDS = 5


def view_of(endpoints: Sequence[Endpoint]) -> View:
    """The view of one path, of its endpoints by method. A token counts, a session does not: so no CSRF."""
    by_method = {each.method: each for each in endpoints}

    @csrf_exempt
    def view(request: HttpRequest, **numbers: int) -> HttpResponse:
        try:
            return _answer(request, by_method, numbers)
        except Refused as refused:
            return refused.response()
        except Backpressure as error:
            return Refused(503, str(error), retry_after=str(error.retry_after_seconds)).response()
        except TransientError as error:
            seconds = math.ceil(error.retry_after_seconds or TRY_AGAIN_SECONDS)
            return Refused(503, str(error), retry_after=str(seconds)).response()
        except JetbridgeError as error:
            return Refused(422, str(error)).response()
        except Exception:
            log.exception("%s %s broke", request.method, request.path)
            return Refused(500, "Something broke here. The log of `jetbridge serve` tells what.").response()

    return view


@csrf_exempt
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    sentence = f"There is nothing at /api/v1/{rest[:200]}: see {request.build_absolute_uri('/api/v1/')}."
    return Refused(404, sentence).response()


def _answer(
    request: HttpRequest, by_method: Mapping[str, Endpoint], numbers: Mapping[str, int]
) -> HttpResponse:
    caller = caller_of(request)
    found = by_method.get(request.method or "")
    if found is None:
        methods = ", ".join(sorted(by_method))
        raise Refused(405, f"{request.method} is not for this path; it takes {methods}.", allow=methods)
    caller.needs(found.role)
    for name, number in numbers.items():
        if number > LARGEST:
            raise Refused(404, f"There is no {name} {number} in {caller.workspace}.")
    result = found.does(caller, **numbers, **_said(request, found))
    return HttpResponse(msgspec.json.encode(result), status=found.status, content_type=JSON)


def _said(request: HttpRequest, found: Endpoint) -> dict[str, Any]:
    said: dict[str, Any] = {}
    try:
        if found.query:
            said["query"] = msgspec.convert(request.GET.dict(), found.query, strict=False)
        elif request.GET:
            raise Refused(422, f"This takes no query; there is {', '.join(request.GET)[:200]}.")
        if found.body:
            said["body"] = msgspec.json.decode(request.body or b"{}", type=found.body)
    except msgspec.ValidationError as error:
        raise Refused(422, f"{error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(422, f"The body is no JSON: {error}.") from None
    except RequestDataTooBig:
        raise Refused(413, "The body is too large.") from None
    return said
