"""Every endpoint, called by everybody: without a token, in each role, and from another workspace."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jetbridge.console.api.endpoint import Endpoint
from jetbridge.console.api.routes import ENDPOINTS
from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Membership, Role, User
from jetbridge.control.secret_field import digest

Call = Callable[..., Any]
each_endpoint = pytest.mark.parametrize("each", ENDPOINTS, ids=lambda each: each.name)


def token(user: User, workspace: Workspace, role: Role, secret: str = "") -> str:
    secret = secret or f"{user.name}-{workspace}-{role}"
    ApiToken.objects.create(
        workspace=workspace, user=user, name="deploy", role=role, digest=digest(secret), ending=secret[-4:]
    )
    return secret


def call(method: str, path: str, secret: str = "", body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return Client(enforce_csrf_checks=True).generic(
        method, f"/api/v1/{path}", body or b"", content_type="application/json", headers=headers
    )


def path_of(each: Endpoint) -> str:
    """Of things that do not exist."""
    return each.template[1:].format(**dict.fromkeys(each.numbers, 999_999))


@each_endpoint
def test_without_a_token_there_is_nothing(people: Any, each: Endpoint) -> None:
    for secret in ("", "wrong"):
        answer = call(each.method, path_of(each), secret)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert set(answer.json()) == {"error"}


@each_endpoint
def test_a_session_is_no_token(client_of: Any, each: Endpoint) -> None:
    answer = client_of("owner").generic(each.method, f"/api/v1/{path_of(each)}")
    assert answer.status_code == 401


@each_endpoint
def test_who_has_too_small_a_role_is_told_so(people: Any, each: Endpoint) -> None:
    for role in Role:
        answer = call(each.method, path_of(each), token(people.owner, people.workspace, role))
        if role.allows(each.role):
            assert answer.status_code != 403
        else:
            assert answer.status_code == 403
            assert f"this takes the role {each.role.label.lower()}" in answer.json()["error"]


@each_endpoint
def test_no_answer_is_a_page(people: Any, each: Endpoint) -> None:
    answer = call(each.method, path_of(each), token(people.owner, people.workspace, Role.OWNER), b"{not json")
    assert answer.status_code in ({200} if each.name == "get_status" else {200, 404, 422})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_a_token_can_no_more_than_its_member(people: Any) -> None:
    secret = token(people.viewer, people.workspace, Role.OWNER)
    assert call("GET", "workspace", secret).json()["role"] == "viewer"
    assert call("POST", "sources", secret, b'{"name": "Website"}').status_code == 403


def test_a_token_ends_with_its_membership_and_with_its_user(people: Any) -> None:
    secret = token(people.editor, people.workspace, Role.EDITOR)
    people.editor.is_active = False
    people.editor.save()
    assert call("GET", "workspace", secret).status_code == 401
    people.editor.is_active = True
    people.editor.save()
    assert call("GET", "workspace", secret).status_code == 200
    Membership.objects.filter(user=people.editor).delete()
    answer = call("GET", "workspace", secret)
    assert (answer.status_code, answer.json()) == (
        401,
        {"error": "emil@example.com is no member of Shop any more, nor is the token."},
    )


def test_use_is_noted_once_a_minute(people: Any) -> None:
    secret = token(people.owner, people.workspace, Role.VIEWER)
    row = ApiToken.objects.get()
    assert row.last_used_at is None
    call("GET", "sources", secret)
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None
    call("GET", "sources", secret)
    row.refresh_from_db()
    assert row.last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    call("GET", "sources", secret)
    row.refresh_from_db()
    assert row.last_used_at > first


def test_an_unknown_path_and_a_wrong_method_are_told_in_json(people: Any) -> None:
    secret = token(people.owner, people.workspace, Role.OWNER)
    answer = call("GET", "nothing/here", secret)
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("There is nothing at /api/v1/nothing/here: see http")
    answer = call("DELETE", "sources", secret)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json() == {"error": "DELETE is not for this path; it takes GET, POST."}


@each_endpoint
def test_a_number_that_no_database_holds_is_not_there(people: Any, each: Endpoint) -> None:
    secret = token(people.owner, people.workspace, Role.OWNER)
    for name in each.numbers:
        numbers = dict.fromkeys(each.numbers, 1) | {name: 2**63}
        answer = call(each.method, each.template[1:].format(**numbers), secret)
        assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_a_path_with_a_line_break_is_told_in_json(people: Any) -> None:
    answer = call("GET", "sources/%0A/x", token(people.owner, people.workspace, Role.OWNER))
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_what_breaks_is_told_without_its_inside(people: Any, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr("jetbridge.console.api.workspace.destinations_of", lambda _: 1 / 0)
    answer = call("GET", "workspace", token(people.owner, people.workspace, Role.OWNER))
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.content.decode()
    assert "ZeroDivisionError" in caplog.text
