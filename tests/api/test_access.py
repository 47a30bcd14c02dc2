"""Every endpoint, called by everybody: without a token, in each role, and from another workspace."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Membership, Role, User
from jetbridge.control.secret_field import digest
from jetbridge.http.problem import PROBLEM_JSON

from .calls import CALLS, Call

each_call = pytest.mark.parametrize("of", CALLS, ids=lambda of: of.name)


def token(user: User, workspace: Workspace, role: Role, secret: str = "") -> str:
    secret = secret or f"{user.name}-{workspace}-{role}"
    ApiToken.objects.create(
        workspace=workspace, user=user, name="deploy", role=role, digest=digest(secret), ending=secret[-4:]
    )
    return secret


#: What every error has.
PROBLEM = {"type", "title", "status", "detail", "code"}


def call(method: str, path: str, secret: str = "", body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return Client(enforce_csrf_checks=True).generic(
        method, f"/api/v1/{path}", body or b"", content_type="application/json", headers=headers
    )


def path_of(of: Call) -> str:
    """Of things that do not exist."""
    return of.at(**dict.fromkeys(of.ids, 999_999))


def test_without_a_token_there_is_nothing(people: Any) -> None:
    for of in CALLS:
        for secret in ("", "wrong"):
            answer = call(of.method, path_of(of), secret)
            assert (of.name, answer.status_code) == (of.name, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["code"] == "INVALID_TOKEN"


def test_a_session_is_no_token(client_of: Any) -> None:
    client = client_of("owner")
    statuses = {of.name: client.generic(of.method, f"/api/v1/{path_of(of)}").status_code for of in CALLS}
    assert {name: status for name, status in statuses.items() if status != 401} == {}


@each_call
def test_who_has_too_small_a_role_is_told_so(people: Any, of: Call) -> None:
    for role in Role:
        answer = call(of.method, path_of(of), token(people.owner, people.workspace, role))
        if role.allows(of.role):
            assert answer.status_code != 403
        else:
            assert answer.status_code == 403
            assert f"this takes the role {of.role.label.lower()}" in answer.json()["detail"]


@each_call
def test_no_answer_is_a_page(people: Any, of: Call) -> None:
    answer = call(of.method, path_of(of), token(people.owner, people.workspace, Role.OWNER), b"{not json")
    assert answer.status_code in {200, 400, 404, 409, 422}
    is_error = answer.status_code >= 400
    assert answer.headers["content-type"] == (PROBLEM_JSON if is_error else "application/json")
    assert not is_error or answer.json().keys() > PROBLEM
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
    assert answer.status_code == 401
    assert "emil@example.com is no longer a member of Shop" in answer.json()["detail"]


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
    assert answer.json()["detail"] == "There is no call /api/v1/nothing/here."
    assert answer.json()["fix"].startswith("All calls are at http")
    answer = call("DELETE", "sources", secret)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json()["detail"] == "DELETE is not a method of this path; it has GET, POST."


@each_call
def test_a_number_that_no_database_holds_is_not_there(people: Any, of: Call) -> None:
    secret = token(people.owner, people.workspace, Role.OWNER)
    for name in of.ids:
        ids = dict.fromkeys(of.ids, 1) | {name: 2**63}
        answer = call(of.method, of.at(**ids), secret)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_a_path_with_a_line_break_is_told_in_json(people: Any) -> None:
    answer = call("GET", "sources/%0A/x", token(people.owner, people.workspace, Role.OWNER))
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_what_breaks_is_told_without_its_inside(people: Any, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr("jetbridge.api.routers.workspace.destinations_of", lambda _: 1 / 0)
    answer = call("GET", "workspace", token(people.owner, people.workspace, Role.OWNER))
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.content.decode()
    assert "ZeroDivisionError" in caplog.text
