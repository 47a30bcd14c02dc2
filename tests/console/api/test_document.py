"""The OpenAPI document and the pages tell of the endpoints that there are, and of no others."""

import re
from pathlib import Path
from typing import Any

import msgspec
from django.test import Client
from django.urls import get_resolver

from jetbridge.console.api.openapi import document
from jetbridge.console.api.routes import BY_HEADING, ENDPOINTS
from jetbridge.console.api.urls import urlpatterns

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
CALLS = [f"{each.method} {each.template}" for each in ENDPOINTS]


def fetched() -> dict[str, Any]:
    answer = Client().get("/api/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    made: dict[str, Any] = answer.json()
    return made


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_the_document_lists_exactly_the_endpoints_there_are(home: Path) -> None:
    listed = [f"{method.upper()} {path}" for path, row in fetched()["paths"].items() for method in row]
    assert sorted(listed) == sorted(CALLS)
    addresses = {str(each.pattern) for each in urlpatterns if each.name != "api-nothing"} - {
        "",
        "openapi.json",
    }
    assert addresses == {each.path for each in ENDPOINTS}


def test_every_endpoint_can_be_reached(home: Path) -> None:
    for each in ENDPOINTS:
        path = "/api/v1" + each.template.format(**dict.fromkeys(each.numbers, 1))
        assert get_resolver().resolve(path).url_name != "api-nothing", path


def test_every_reference_leads_somewhere(home: Path) -> None:
    made = fetched()
    for reference in references(made):
        found: Any = made
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_every_operation_says_what_openapi_wants(home: Path) -> None:
    made = fetched()
    assert made["openapi"] == "3.1.0"
    names = [row["operationId"] for path in made["paths"].values() for row in path.values()]
    assert len(names) == len(set(names)) == len(ENDPOINTS)
    for path, operations in made["paths"].items():
        for row in operations.values():
            in_path = {each["name"] for each in row["parameters"] if each["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            assert {"401", "403", "404", "422"} < set(row["responses"])
            assert row["summary"]
    assert set(made["components"]) == {"securitySchemes", "schemas", "responses"}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in made["components"]["schemas"])


def test_every_query_parameter_is_declared_with_its_type(home: Path) -> None:
    (failures,) = [each for each in ENDPOINTS if each.name == "list_failures"]
    operation = document("http://here")["paths"][failures.template]["get"]
    told = {row["name"]: row["schema"] for row in operation["parameters"] if row["in"] == "query"}
    assert set(told) == set(failures.query.__struct_fields__)
    assert told["limit"]["maximum"] == 200


def test_the_document_holds_no_secret(home: Path) -> None:
    from django.conf import settings  # noqa: PLC0415 - Django comes first

    assert settings.CONFIG.secret_key.encode() not in msgspec.json.encode(document("http://here"))


def test_the_page_of_the_documentation_lists_the_calls_with_their_roles() -> None:
    calls = PAGE.read_text().split("\n## Calls\n")[1].split("\n## ")[0]
    written = {
        part.partition("\n")[0]: re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (.*) \| (\w+) \|$", part, re.MULTILINE)
        for part in calls.split("\n### ")[1:]
    }
    assert written == {
        heading: [
            (f"{each.method} {each.template}", each.summary, each.role.label.lower()) for each in endpoints
        ]
        for heading, endpoints in BY_HEADING.items()
    }


def test_the_page_in_the_console_lists_every_call_and_every_type(people: Any, client_of: Any) -> None:
    for role in ("nobody", "viewer"):
        text = client_of(role).get("/api/v1/").content.decode()
        assert [call for call in CALLS if f"<code>{call}</code>" not in text] == []
        assert [name for name in fetched()["components"]["schemas"] if f'id="type-{name}"' not in text] == []
