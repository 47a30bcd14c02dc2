"""``/sandbox/faults``: sets, lists and removes faults. It needs no Mailjet key."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailjet_sandbox import errors, wire
from mailjet_sandbox.body import as_id, decode_json, read_body
from mailjet_sandbox.faults.register import Faults
from mailjet_sandbox.faults.scenario import BadFault, read_faults


class FaultControl:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/faults", self.show, methods=["GET"]),
            Route("/sandbox/faults", self.add, methods=["POST"]),
            Route("/sandbox/faults", self.clear, methods=["DELETE"]),
            Route("/sandbox/faults/{number}", self.remove, methods=["DELETE"]),
        ]

    async def show(self, _request: Request) -> Response:
        return _json({"faults": [one.describe() for one in self._faults]})

    async def add(self, request: Request) -> Response:
        """Set one fault or several: all of them, or none and a 400 with the reason."""
        try:
            faults = read_faults(decode_json(await read_body(request)))
        except BadFault as error:
            return _json({"error": str(error)}, 400)
        except errors.MailjetError as error:
            return _json({"error": error.message}, error.status)
        return _json({"faults": [one.describe() for one in self._faults.add(faults)]}, 201)

    async def clear(self, _request: Request) -> Response:
        removed = [one.describe() for one in self._faults]
        self._faults.clear()
        return _json({"faults": removed})

    async def remove(self, request: Request) -> Response:
        number = request.path_params["number"]
        if not self._faults.remove(as_id(number) or 0):
            return _json({"error": f"There is no fault {number}"}, 404)
        return wire.empty(204)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
