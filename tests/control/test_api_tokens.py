"""API tokens: whose requests they let in, and in which role."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.control import api_tokens
from jetbridge.control.api_tokens import PREFIX, InvalidToken, authenticate
from jetbridge.control.models import Workspace
from jetbridge.control.people import ApiToken, Membership, Role, User
from jetbridge.errors import ConfigurationError


@pytest.fixture
def ada(home: Path) -> Membership:
    user = User.objects.create_user("ada@example.com", None)
    workspace = Workspace.objects.create(name="Shop")
    return Membership.objects.create(user=user, workspace=workspace, role=Role.OWNER)


def make(of: Membership, role: Role = Role.VIEWER) -> str:
    return api_tokens.make(of.workspace, of.user, "CI", role)[1]


def test_a_token_is_told_once_and_kept_as_a_digest(ada: Membership) -> None:
    row, token = api_tokens.make(ada.workspace, ada.user, " CI ", Role.EDITOR)
    assert token.startswith(PREFIX)
    assert (row.name, row.ending, str(row)) == ("CI", token[-4:], f"CI (…{token[-4:]})")
    (values,) = ApiToken.objects.values()
    assert token.removeprefix(PREFIX) not in str(values)
    assert authenticate(f"Bearer {token}") == (row, Role.EDITOR)
    assert make(ada) != token


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_without_regard_to_case(ada: Membership, scheme: str) -> None:
    assert authenticate(f"{scheme}  {make(ada)} ")[1] == Role.VIEWER


@pytest.mark.parametrize("of_token", Role)
@pytest.mark.parametrize("of_member", Role)
def test_it_may_what_it_and_its_member_may(ada: Membership, of_token: Role, of_member: Role) -> None:
    token = make(ada, of_token)
    Membership.objects.update(role=of_member)
    lesser = max(of_token, of_member, key=list(Role).index)
    assert authenticate(f"Bearer {token}")[1] == lesser


def test_it_ends_with_the_membership_and_with_the_account(ada: Membership) -> None:
    token = f"Bearer {make(ada)}"
    User.objects.update(is_active=False)
    with pytest.raises(InvalidToken, match=r"ada@example\.com is no longer a member of Shop"):
        authenticate(token)
    User.objects.update(is_active=True)
    assert authenticate(token)
    another = Workspace.objects.create(name="Another")
    Membership.objects.create(user=ada.user, workspace=another, role=Role.OWNER)
    ada.delete()
    with pytest.raises(InvalidToken, match="no longer a member of Shop"):
        authenticate(token)


def test_a_revoked_token_lets_nobody_in(ada: Membership) -> None:
    token = make(ada)
    kept = make(ada)
    ApiToken.objects.filter(ending=token[-4:]).delete()
    with pytest.raises(InvalidToken, match="It may have been revoked"):
        authenticate(f"Bearer {token}")
    assert authenticate(f"Bearer {kept}")


def test_no_other_header_lets_anybody_in(ada: Membership) -> None:
    token = make(ada)
    (digest,) = ApiToken.objects.values_list("digest", flat=True)
    close = [
        token,
        f"Basic {token}",
        f"Bearer{token}",
        f"Bearer {token[:-1]}",
        f"Bearer {token}x",
        f"Bearer {token} x",
    ]
    close += [
        f"Bearer {token.upper()}",
        f"Bearer {token.removeprefix(PREFIX)}",
        f"Bearer {digest}",
        f"x Bearer {token}",
    ]

    @given(
        st.text(st.characters(max_codepoint=255)) | st.text().map("Bearer {}".format) | st.sampled_from(close)
    )
    def check(header: str) -> None:
        with pytest.raises(InvalidToken):
            authenticate(header)

    check()


def test_its_use_is_written_down_once_a_minute(ada: Membership) -> None:
    token = f"Bearer {make(ada)}"
    authenticate(token)
    first = ApiToken.objects.get().last_used_at
    assert first
    with CaptureQueriesContext(connection) as queries:
        authenticate(token)
    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["SELECT", "SELECT"]
    assert ApiToken.objects.get().last_used_at == first
    earlier = timezone.now() - timedelta(minutes=1, seconds=1)
    ApiToken.objects.update(last_used_at=earlier)
    authenticate(token)
    last = ApiToken.objects.get().last_used_at
    assert last
    assert last > earlier + timedelta(minutes=1)


def test_a_token_without_a_name_is_not_made(ada: Membership) -> None:
    with pytest.raises(ConfigurationError, match="The name of a token"):
        api_tokens.make(ada.workspace, ada.user, " ", Role.VIEWER)
    assert not ApiToken.objects.exists()
