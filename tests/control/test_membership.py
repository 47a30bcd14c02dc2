"""Who belongs to a workspace: it always has an owner, and an invitation makes one member once."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.utils import timezone
from tests.at_once import at_once

from jetbridge.control import membership
from jetbridge.control.membership import LastOwner
from jetbridge.control.models import Workspace
from jetbridge.control.people import INVITATION_DAYS, ApiToken, Invitation, Membership, Role, User
from jetbridge.errors import ConfigurationError, ConflictError


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.objects.create(name="Shop")


def member(workspace: Workspace, name: str, role: Role) -> Membership:
    user = User.objects.create_user(f"{name}@example.com", None, name)
    return Membership.objects.create(user=user, workspace=workspace, role=role)


def roles(workspace: Workspace) -> dict[str, str]:
    return dict(Membership.objects.filter(workspace=workspace).values_list("user__name", "role"))


def test_a_role_may_do_what_the_ones_below_may() -> None:
    allowed = {(role, wanted) for role in Role for wanted in Role if role.allows(wanted)}
    assert allowed == {
        (Role.OWNER, Role.OWNER),
        (Role.OWNER, Role.EDITOR),
        (Role.OWNER, Role.VIEWER),
        (Role.EDITOR, Role.EDITOR),
        (Role.EDITOR, Role.VIEWER),
        (Role.VIEWER, Role.VIEWER),
    }


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
def test_the_only_owner_stays_one(workspace: Workspace, role: Role) -> None:
    owner, _ = member(workspace, "ada", Role.OWNER), member(workspace, "bob", Role.EDITOR)
    member(Workspace.objects.create(name="Another"), "cyd", Role.OWNER)
    with pytest.raises(LastOwner, match="ada is the only owner of Shop"):
        membership.change_role(owner, role)
    with pytest.raises(LastOwner):
        membership.remove(owner)
    membership.change_role(owner, Role.OWNER)  # it is one
    assert roles(workspace) == {"ada": "owner", "bob": "editor"}


def test_an_owner_may_go_once_there_is_another(workspace: Workspace) -> None:
    first, second = member(workspace, "ada", Role.OWNER), member(workspace, "bob", Role.VIEWER)
    membership.change_role(second, Role.OWNER)
    membership.change_role(first, Role.VIEWER)
    assert roles(workspace) == {"ada": "viewer", "bob": "owner"}
    membership.remove(first)
    assert roles(workspace) == {"bob": "owner"}


def test_of_two_owners_who_go_at_once_one_stays(workspace: Workspace) -> None:
    def leave(of: Membership, *, removed: bool) -> bool:
        try:
            if removed:
                membership.remove(of)
            else:
                membership.change_role(of, Role.VIEWER)
        except LastOwner:
            return False
        return True

    for number in range(20):
        pair = [member(workspace, f"{name}{number}", Role.OWNER) for name in ("ada", "bob")]
        left = at_once(partial(leave, pair[0], removed=True), partial(leave, pair[1], removed=False))
        assert sorted(left) == [False, True]
        assert list(roles(workspace).values()).count("owner") == 1
        Membership.objects.all().delete()


def test_who_is_removed_takes_their_tokens_of_this_workspace_along(workspace: Workspace) -> None:
    ada, bob = member(workspace, "ada", Role.OWNER), member(workspace, "bob", Role.EDITOR)
    another = Workspace.objects.create(name="Another")
    for number, (of, user) in enumerate(((workspace, ada), (workspace, bob), (another, bob))):
        ApiToken.objects.create(
            workspace=of,
            user=user.user,
            name=str(number),
            role=Role.VIEWER,
            digest=str(number),
            ending="xxxx",
        )
    membership.remove(bob)
    assert list(ApiToken.objects.values_list("name", flat=True)) == ["0", "2"]
    assert User.objects.filter(id=bob.user_id).exists()


def test_another_workspace_is_the_next_by_name(workspace: Workspace) -> None:
    ada = member(workspace, "ada", Role.OWNER).user
    assert membership.another_workspace(ada, workspace) is None
    for name in ("Zoo", "Bakery"):
        Membership.objects.create(user=ada, workspace=Workspace.objects.create(name=name), role=Role.VIEWER)
    Workspace.objects.create(name="Airport")  # it is not theirs
    found = membership.another_workspace(ada, workspace)
    assert found
    assert found.name == "Bakery"


class TestInvitation:
    def test_it_makes_a_member_in_its_role_once(self, workspace: Workspace) -> None:
        ada = member(workspace, "ada", Role.OWNER).user
        row, token = membership.invite(workspace, " Bob@Example.com ", Role.EDITOR, ada)
        assert (row.email, row.invited_by) == ("bob@example.com", ada)
        found = membership.find_invitation(token)
        assert found == row
        bob = User.objects.create_user("bob@example.com", None, "bob")
        assert membership.accept(row, bob) is True
        assert roles(workspace) == {"ada": "owner", "bob": "editor"}
        assert membership.find_invitation(token) is None
        assert membership.accept(row, bob) is False

    def test_its_token_is_not_kept(self, workspace: Workspace) -> None:
        ada = member(workspace, "ada", Role.OWNER).user
        _, token = membership.invite(workspace, "bob@example.com", Role.EDITOR, ada)
        (values,) = Invitation.objects.values()
        assert token not in str(values)

    def test_a_new_one_ends_the_one_before(self, workspace: Workspace) -> None:
        ada = member(workspace, "ada", Role.OWNER).user
        before, first = membership.invite(workspace, "bob@example.com", Role.OWNER, ada)
        _, second = membership.invite(workspace, "BOB@example.com", Role.VIEWER, ada)
        assert membership.find_invitation(first) is None
        found = membership.find_invitation(second)
        assert found
        assert found.role == Role.VIEWER
        bob = User.objects.create_user("bob@example.com", None, "bob")
        assert membership.accept(before, bob) is False  # a page that was open
        assert roles(workspace) == {"ada": "owner"}

    def test_it_ends_after_some_days(self, workspace: Workspace) -> None:
        ada = member(workspace, "ada", Role.OWNER).user
        row, token = membership.invite(workspace, "bob@example.com", Role.VIEWER, ada)
        days = (row.expires_at - timezone.now()) / timedelta(days=1)
        assert INVITATION_DAYS - 0.1 < days <= INVITATION_DAYS
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert membership.find_invitation(token) is None
        membership.invite(workspace, "bob@example.com", Role.VIEWER, ada)  # the same place again
        assert Invitation.objects.get().expires_at > timezone.now()

    @pytest.mark.parametrize("email", ["", "bob", "bob@", "a@b@c", "bob@example.com, cyd@example.com"])
    def test_what_is_no_address_is_refused(self, workspace: Workspace, email: str) -> None:
        ada = member(workspace, "ada", Role.OWNER).user
        with pytest.raises(ConfigurationError, match="is no email address"):
            membership.invite(workspace, email, Role.VIEWER, ada)
        assert not Invitation.objects.exists()

    @pytest.mark.parametrize("kept", ["ada@münchen.de", "ada@xn--mnchen-3ya.de"])
    @pytest.mark.parametrize("email", ["ada@münchen.de", "ADA@MÜNCHEN.DE", "ada@xn--mnchen-3ya.de"])
    def test_a_member_is_known_in_every_spelling(self, workspace: Workspace, kept: str, email: str) -> None:
        ada = User.objects.create(email=kept)
        Membership.objects.create(user=ada, workspace=workspace, role=Role.OWNER)
        with pytest.raises(ConflictError, match="is a member already"):
            membership.invite(workspace, email, Role.VIEWER, ada)
        another = Workspace.objects.create(name="Another")
        assert membership.invite(another, email, Role.VIEWER, ada)

    def test_two_who_accept_at_once_are_one_member(self, workspace: Workspace) -> None:
        ada = member(workspace, "ada", Role.OWNER).user
        for number in range(20):
            row, _ = membership.invite(workspace, f"bob{number}@example.com", Role.VIEWER, ada)
            users = [User.objects.create_user(f"{name}{number}@x.com", None) for name in ("bob", "cyd")]
            accepted = at_once(*[partial(membership.accept, row, user) for user in users])
            assert sorted(accepted) == [False, True]
        assert Membership.objects.count() == 21

    def test_whoever_is_a_member_already_keeps_their_role(self, workspace: Workspace) -> None:
        ada = member(workspace, "ada", Role.OWNER).user
        row, _ = membership.invite(workspace, "ada@another.com", Role.VIEWER, ada)
        assert membership.accept(row, ada)
        assert roles(workspace) == {"ada": "owner"}


class TestUser:
    @pytest.mark.parametrize("typed", ["ada@münchen.de", " Ada@MÜNCHEN.de ", "ada@xn--mnchen-3ya.de"])
    def test_they_are_found_by_every_spelling_of_their_address(self, home: Path, typed: str) -> None:
        ada = User.objects.create_user("Ada@München.de", None)
        assert User.objects.get_by_natural_key(typed) == ada

    @pytest.mark.parametrize("typed", [None, "", "ada", "bob@münchen.de", "ada@münchen.de.com"])
    def test_nobody_else_is(self, home: Path, typed: str | None) -> None:
        User.objects.create_user("ada@münchen.de", None)
        with pytest.raises(User.DoesNotExist):
            User.objects.get_by_natural_key(typed)

    def test_without_a_password_nobody_logs_in(self, home: Path) -> None:
        user = User.objects.create_user("ada@example.com", None, " Ada ")
        assert str(user) == "Ada"
        assert not user.has_usable_password()
        assert not any(user.check_password(word) for word in ("", "None", user.password))
