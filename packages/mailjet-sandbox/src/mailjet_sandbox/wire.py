"""The two ways in which Mailjet prints an answer; two server families stand behind one host.

The legacy server (``/v3/REST``, ``/v3/DATA``, ``/v3/send``) is written in Free Pascal and shows it: a space on either side of
each colon, keys in alphabetical order, ``/`` escaped. The newer services print compact JSON and name each request. [R]
"""

from http import HTTPStatus
from json.encoder import encode_basestring
from typing import Any
from uuid import uuid4

import msgspec
from starlette.responses import Response

Row = dict[str, Any]


def legacy_text(value: Any) -> str:
    """Print a JSON value as the legacy server does."""
    if isinstance(value, str):
        return encode_basestring(value).replace("/", "\\/")
    if isinstance(value, dict):
        if not value:
            return "{}"
        pairs = (f"{legacy_text(key)} : {legacy_text(value[key])}" for key in sorted(value))
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(legacy_text, value))}]"
    return msgspec.json.encode(value).decode()


def legacy(value: Any, status: int = 200, media_type: str = "application/json") -> Response:
    return Response(legacy_text(value), status, headers={"Content-Type": media_type})


def envelope(rows: list[Row], status: int = 200, total: int | None = None) -> Response:
    """Wrap rows; ``Total`` is the number of rows in this very answer unless the caller knows better [R]."""
    total = len(rows) if total is None else total
    return legacy({"Count": len(rows), "Data": rows, "Total": total}, status)


def legacy_error(
    status: int, message: Any, info: Any = "", identifier: str = "", media_type: str = "application/json"
) -> Response:
    body = {"ErrorInfo": info, "ErrorMessage": message, "StatusCode": status}
    if identifier:
        body["ErrorIdentifier"] = identifier
    return legacy(body, status, media_type)


def empty(status: int) -> Response:
    """Answer without a body: 204 after DELETE, 304 after a PUT that changed nothing [R]."""
    return Response(status_code=status, headers={"Content-Type": "application/json"})


def newer(value: Any, status: int = 200) -> Response:
    return newer_text(msgspec.json.encode(value), status)


def newer_text(body: bytes, status: int = 200) -> Response:
    headers = {"Content-Type": "application/json; charset=UTF-8", "X-Mj-Request-Guid": str(uuid4())}
    return Response(body, status, headers=headers)


def newer_error(status: int, message: str, code: str = "") -> Response:
    body = {"ErrorIdentifier": str(uuid4()), "StatusCode": status, "ErrorMessage": message}
    return newer(body | ({"ErrorCode": code} if code else {}), status)


def nginx(status: int) -> Response:
    """Answer as the machines in front of the API do when they answer themselves [R]."""
    title = f"{status} {reason(status)}".strip()
    return html(
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
        status,
    )


def reason(status: int) -> str:
    """Return the standard phrase for a status, nothing if there is none."""
    return next((known.phrase for known in HTTPStatus if known == status), "")


def html(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Answer as the machines in front of the API do, without a charset."""
    return Response(text, status, headers={"Content-Type": "text/html", **(headers or {})})


BAD_KEY = (
    "API key authentication/authorization failure. You may be unauthorized to access the API or your API key may be "
    "expired. Visit API keys management section to check your keys."
)


def too_many_requests() -> Response:
    """429 is not JSON, and no header tells when to retry [R] by way of django-anymail."""
    return html("Rate limit exceeded", 429)


def legacy_unauthorized() -> Response:
    """401 has no body, so that parsing it as JSON fails [R]."""
    return html("", 401, {"WWW-Authenticate": 'Basic realm="Provide an apiKey and secretKey"'})


def newer_unauthorized() -> Response:
    return newer_error(401, BAD_KEY)
