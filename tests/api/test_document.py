"""The OpenAPI document and the pages have the calls that there are, and no others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.test import Client
from django.urls import get_resolver

from jetbridge.api.app import api as json_api
from jetbridge.api.docs import document
from jetbridge.api.urls import urlpatterns
from jetbridge.http.problem import PROBLEM_JSON, PROBLEM_TYPES

from .calls import CALLS, Call

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
#: What the addresses of the API are besides calls.
NO_CALLS = {"api-docs", "api-openapi", "api-no-such-path"}


def fetched() -> dict[str, Any]:
    response = Client().get("/api/v1/openapi.json")
    assert response.headers["content-type"] == "application/json"
    made: dict[str, Any] = response.json()
    return made


def parts(of: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(of, dict):
        yield of
        of = list(of.values())
    for part in of if isinstance(of, list) else ():
        yield from parts(part)


def test_the_document_lists_exactly_the_calls_that_there_are(home: Path) -> None:
    routes = {str(pattern.pattern) for pattern in urlpatterns if pattern.name not in NO_CALLS}
    assert {"/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route) for route in routes} == {call.path for call in CALLS}
    for path in {call.path for call in CALLS}:
        known = {call.method for call in CALLS if call.path == path}
        response = Client().generic("TRACE", "/api/v1" + re.sub(r"{\w+}", "1", path))
        assert response.headers["allow"] == ", ".join(sorted(known))


def test_every_call_can_be_reached() -> None:
    for call in CALLS:
        path = "/api/v1/" + call.at(**dict.fromkeys(call.ids, 1))
        assert get_resolver().resolve(path).url_name not in NO_CALLS, path


def test_every_reference_leads_somewhere(home: Path) -> None:
    made = fetched()
    references = [part["$ref"] for part in parts(made) if isinstance(part.get("$ref"), str)]
    for reference in references:
        found: Any = made
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found
    assert len(references) > 100


def test_every_operation_has_what_openapi_wants(home: Path) -> None:
    made = fetched()
    assert made["openapi"] == "3.1.0"
    assert len({call.name for call in CALLS}) == len(CALLS)
    for call in CALLS:
        assert set(call.ids) == set(re.findall(r"{(\w+)}", call.path))
        assert {"401", "403", "404", "422", "503"} < set(call.operation["responses"])
        assert ("409" in call.operation["responses"]) == (call.method != "GET")
        assert call.summary
        assert call.operation["description"].endswith(f"Takes the role {call.role.value}.")
        assert call.summary not in call.operation["description"]
        assert call.operation["security"] == [{"TokenAuth": []}]
    assert set(made["components"]) == {"securitySchemes", "schemas", "responses"}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in made["components"]["schemas"])
    assert not [
        row for row in parts(made) if isinstance(row.get("in"), str) and isinstance(row.get("examples"), list)
    ]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_call_has_an_example_of_what_goes_in_and_comes_out(call: Call) -> None:
    contents = [
        *call.operation.get("requestBody", {}).get("content", {}).items(),
        *call.operation["responses"][str(call.status)]["content"].items(),
    ]
    for media_type, content in contents:
        assert ("example" in content) == (media_type == "application/json")
        assert "…" not in {
            value
            for part in parts(content.get("example"))
            for value in part.values()
            if isinstance(value, str)
        }
    required = [row for row in call.operation["parameters"] if row["required"]]
    assert all(row["schema"]["examples"] for row in required)


def test_every_name_of_ours_is_in_snake_case(home: Path) -> None:
    made = fetched()
    names = {
        name for schema in made["components"]["schemas"].values() for name in schema.get("properties", {})
    }
    names |= {row["name"] for call in CALLS for row in call.operation["parameters"]} | {
        call.name for call in CALLS
    }
    assert {name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)} == set()


def test_every_code_of_an_error_is_on_the_page_and_in_the_document(people: Any, client_of: Any) -> None:
    made, page = fetched(), client_of("nobody").get("/api/v1/").content.decode()
    assert set(made["components"]["responses"]) == PROBLEM_TYPES.keys()
    for code, problem_type in PROBLEM_TYPES.items():
        example = made["components"]["responses"][code]["content"][PROBLEM_JSON]["example"]
        assert (example["code"], example["status"], example["type"]) == (
            code,
            problem_type.status,
            f"/api/v1/#error-{code}",
        )
        assert f'id="error-{code}"' in page
        assert f"| `{code}` |" in PAGE.read_text()


def test_every_query_parameter_is_declared_with_its_type(home: Path) -> None:
    (failures,) = [call for call in CALLS if call.name == "list_failures"]
    declared = {
        row["name"]: row["schema"] for row in failures.operation["parameters"] if row["in"] == "query"
    }
    assert set(declared) == {"limit", "after", "reason", "since", "until", "person"}
    assert declared["limit"]["maximum"] == 200


def test_the_document_holds_no_secret(home: Path) -> None:
    from django.conf import settings  # noqa: PLC0415 - Django comes first

    assert settings.CONFIG.secret_key.encode() not in msgspec.json.encode(document(json_api, "http://here"))


def test_the_page_of_the_documentation_lists_the_calls_with_their_roles() -> None:
    calls = PAGE.read_text().split("\n## Calls\n")[1].split("\n## ")[0]
    written = {
        part.partition("\n")[0]: re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (.*) \| (\w+) \|$", part, re.MULTILINE)
        for part in calls.split("\n### ")[1:]
    }
    assert written == {
        heading: [
            (f"{call.method} {call.path}", call.summary, call.role.value)
            for call in CALLS
            if call.heading == heading
        ]
        for heading in dict.fromkeys(call.heading for call in CALLS)
    }


def test_the_page_in_the_console_lists_every_call_and_every_schema(people: Any, client_of: Any) -> None:
    for role in ("nobody", "viewer"):
        text = client_of(role).get("/api/v1/").content.decode()
        assert [call.name for call in CALLS if f'id="call-{call.name}"' not in text] == []
        assert [
            name for name in fetched()["components"]["schemas"] if f'id="schema-{name}"' not in text
        ] == []
