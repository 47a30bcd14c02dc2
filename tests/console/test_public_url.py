"""Under which addresses pages and API answer, and what cookies are worth where browsers come over TLS."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from jetbridge.control.people import LoginFailure, User

from ..processes import free_port, starting  # noqa: TID252 - tests are no package

PUBLIC = "events.example.com"


@pytest.fixture(scope="module")
def port(homes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a web process behind a proxy that does TLS."""
    port = free_port()
    env = {
        "JETBRIDGE_PORT": str(port),
        "JETBRIDGE_PUBLIC_URL": f"https://{PUBLIC}",
        "JETBRIDGE_TRUSTED_PROXIES": "127.0.0.1",
    }
    homes.empty()
    homes.shared = True
    with starting(tmp_path_factory.mktemp("web")) as start:
        start("web", env=env, health=f"http://127.0.0.1:{port}/healthz")
        yield port
    homes.shared = False


Ask = Callable[..., urllib3.BaseHTTPResponse]


@pytest.fixture
def ask(port: int) -> Ask:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, retries=False)

    def ask(method: str, path: str, host: str, **options: Any) -> urllib3.BaseHTTPResponse:
        headers = {"Host": host, **options.pop("headers", {})}
        return pool.request(method, path, headers=headers, redirect=False, **options)

    return ask


@pytest.mark.parametrize("host", [PUBLIC, f"{PUBLIC}:443", "localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_pages_and_api_answer_under_the_public_address_and_on_this_machine(ask: Ask, host: str) -> None:
    assert ask("GET", "/login", host).status == 200
    assert ask("GET", "/api/v1/workspace", host).status == 401


STRANGERS = ["evil.example", f"{PUBLIC}.evil.example", f"x.{PUBLIC}", "169.254.169.254", "", f"{PUBLIC}@evil"]


@pytest.mark.parametrize("host", STRANGERS)
def test_pages_and_api_answer_under_no_other(ask: Ask, host: str) -> None:
    page = ask("GET", "/login", host)
    assert (page.status, b"JETBRIDGE_PUBLIC_URL" in page.data, b"<form" in page.data) == (400, True, False)
    problem = ask("GET", "/api/v1/workspace", host)
    assert (problem.status, problem.json()["code"]) == (400, "WRONG_HOST")
    assert "JETBRIDGE_PUBLIC_URL" in problem.json()["detail"]


@pytest.mark.parametrize("host", [PUBLIC, *STRANGERS])
def test_ingest_endpoints_answer_to_any_host(ask: Ask, host: str) -> None:
    assert ask("GET", "/healthz", host).status == 200
    assert ask("GET", "/readyz", host).status == 200
    assert ask("POST", "/v1/identify", host, body=b'{"userId": "u", "writeKey": "nope"}').status == 401
    assert ask("POST", "/segment", host).status == 401
    assert ask("POST", "/mailjet/events/nope", host, body=b"{}").status == 401


def test_cookies_belong_to_this_host_alone(ask: Ask) -> None:
    """https://www.rfc-editor.org/rfc/rfc6265bis: `__Host-` takes Secure, Path=/ and no Domain."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    page = ask("GET", "/login", PUBLIC, headers=headers)
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-jetbridge_csrf=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(re.split(r";\s*", cookie))
    assert "domain" not in cookie.lower()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_login_through_the_proxy_is_counted_for_its_client(ask: Ask, port: int, scheme: str) -> None:
    LoginFailure.objects.all().delete()
    User.objects.get_or_create(email="olga@example.com")
    headers = {"X-Forwarded-Proto": scheme, "X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    page = ask("GET", "/login", PUBLIC, headers=headers)
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.data)
    assert token
    headers |= {"Cookie": page.headers["set-cookie"].partition(";")[0], "Origin": f"https://{PUBLIC}"}
    fields = {"email": "olga@example.com", "password": "wrong", "csrfmiddlewaretoken": token[1].decode()}
    answer = ask("POST", "/login", PUBLIC, fields=fields, headers=headers)
    assert answer.status == 422
    assert list(LoginFailure.objects.values_list("address", flat=True)) == ["203.0.113.9"]
