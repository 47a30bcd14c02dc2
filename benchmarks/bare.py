"""The floor of the endpoints: `python -m benchmarks.bare starlette|asgi PORT`, a server that keeps nothing."""

import asyncio
import sys
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = b'{"success": true}'


async def _take(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type="application/json")


async def _healthy(_: Request) -> Response:
    return Response(ANSWER)


STARLETTE = Starlette(
    routes=[Route("/v1/identify", _take, methods=["POST"]), Route("/healthz", _healthy, methods=["GET"])]
)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    app = {"starlette": STARLETTE, "asgi": asgi}[sys.argv[1]]
    server = Server(
        app, address="127.0.0.1", port=int(sys.argv[2]), interface=Interfaces.ASGI, log_enabled=False
    )
    asyncio.run(server.serve())
