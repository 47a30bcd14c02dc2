"""Members, invitations and tokens: who may do what, and that a workspace always has an owner."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from jetbridge.control.people import ApiToken, AuditEntry, Invitation, Membership, Role, User
from jetbridge.control.secret_field import digest


def page(people: Any, path: str) -> str:
    return f"/w/{people.workspace.id}/settings/{path}"


def member(people: Any, role: str) -> Membership:
    return Membership.objects.get(user=getattr(people, role), workspace=people.workspace)


def actions() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("who", "action", "thing"))


def invite(people: Any, client: Client, email: str = "Nina@Example.com", role: str = "editor") -> str:
    """The path of the link that the answer shows."""
    answer = client.post(page(people, "invitations/"), {"email": email, "role": role})
    assert answer.status_code == 200
    (link,) = re.findall(r"http://[^<\"]+(/invitation/[\w-]+)<", answer.content.decode())
    return str(link)


JOIN = {"name": "Nina", "password": "a bridge of boats"}


class TestMembers:
    def test_an_owner_changes_a_role(self, people: Any, client_of: Any) -> None:
        row = member(people, "viewer")
        client_of("owner").post(page(people, f"people/{row.id}/role"), {"role": "editor"})
        assert member(people, "viewer").role == Role.EDITOR
        (entry,) = AuditEntry.objects.all()
        assert (entry.action, entry.thing, entry.details) == (
            "member.role-changed",
            "Vera",
            {"before": "viewer", "after": "editor"},
        )

    def test_an_editor_does_not(self, people: Any, client_of: Any) -> None:
        row, client = member(people, "editor"), client_of("editor")
        assert client.post(page(people, f"people/{row.id}/role"), {"role": "owner"}).status_code == 403
        assert client.post(page(people, f"people/{row.id}/remove")).status_code == 403
        assert client.post(page(people, "invitations/"), {"email": "x@y.zz"}).status_code == 403
        assert actions() == []

    def test_the_last_owner_stays_and_stays_owner(self, people: Any, client_of: Any) -> None:
        row, client = member(people, "owner"), client_of("owner")
        for path, data in (("role", {"role": "viewer"}), ("remove", {})):
            answer = client.post(page(people, f"people/{row.id}/{path}"), data, follow=True)
            assert "only owner of Shop" in answer.content.decode()
        assert member(people, "owner").role == Role.OWNER
        assert actions() == []

    def test_of_two_owners_one_may_go(self, people: Any, client_of: Any) -> None:
        member(people, "editor").delete()
        Membership.objects.create(user=people.editor, workspace=people.workspace, role=Role.OWNER)
        row, client = member(people, "owner"), client_of("owner")
        assert client.post(page(people, f"people/{row.id}/remove")).headers["location"] == "/"
        assert client.get(page(people, "people/")).status_code == 404

    def test_who_is_removed_is_out_and_so_are_their_tokens(self, people: Any, client_of: Any) -> None:
        row, editor = member(people, "editor"), client_of("editor")
        ApiToken.objects.create(
            workspace=people.workspace, user=people.editor, name="t", role="viewer", digest="d"
        )
        assert client_of("owner").get(page(people, f"people/{row.id}/remove")).status_code == 200
        assert Membership.objects.filter(id=row.id).exists()
        client_of("owner").post(page(people, f"people/{row.id}/remove"))
        assert editor.get(page(people, "people/")).status_code == 404
        assert not ApiToken.objects.exists()
        assert actions() == [("olga@example.com", "member.removed", "Emil")]

    def test_members_of_elsewhere_are_out_of_reach(self, people: Any, client_of: Any) -> None:
        row = Membership.objects.get(user=people.outsider)
        for path in ("role", "remove"):
            answer = client_of("owner").post(page(people, f"people/{row.id}/{path}"), {"role": "viewer"})
            assert answer.status_code == 404
        assert Membership.objects.get(user=people.outsider).role == Role.OWNER


class TestInvitations:
    def test_a_new_person_makes_an_account_and_is_in(self, people: Any, client_of: Any) -> None:
        link = invite(people, client_of("owner"))
        guest = Client()
        assert "nina@example.com" in guest.get(link).content.decode()
        assert guest.post(link, JOIN | {"password": "short"}).status_code == 422
        assert guest.post(link, JOIN).headers["location"] == f"/w/{people.workspace.id}/"
        assert guest.get(page(people, "people/")).status_code == 200
        user = User.objects.get(email="nina@example.com")
        assert Membership.objects.get(user=user).role == Role.EDITOR
        assert [row[1] for row in actions()] == ["invitation.made", "member.joined"]
        assert Client().get(link).status_code == 404
        assert Client().post(link, JOIN).status_code == 404

    def test_only_the_digest_of_the_token_is_kept(self, people: Any, client_of: Any) -> None:
        link = invite(people, client_of("owner"))
        assert Invitation.objects.get().token_digest == digest(link.rpartition("/")[2])
        assert link not in client_of("owner").get(page(people, "people/")).content.decode()

    def test_who_has_an_account_logs_in_and_joins(self, people: Any, client_of: Any) -> None:
        link = invite(people, client_of("owner"), "otto@example.com", "viewer")
        stranger, outsider = Client(), client_of("outsider")
        assert f"/login?next={link}" in stranger.get(link).content.decode()
        stranger.post(link, JOIN)  # neither a way in, nor a new password
        assert not Membership.objects.filter(user=people.outsider, workspace=people.workspace).exists()
        people.outsider.refresh_from_db()
        assert people.outsider.check_password(people.password)
        assert outsider.post(link).status_code == 302
        assert outsider.get(page(people, "people/")).status_code == 200

    def test_somebody_else_cannot_use_it(self, people: Any, client_of: Any) -> None:
        link = invite(people, client_of("owner"), "otto@example.com", "owner")
        viewer = client_of("viewer")
        assert "logged in as vera@example.com" in viewer.post(link).content.decode()
        assert member(people, "viewer").role == Role.VIEWER

    def test_it_ends_after_seven_days(self, people: Any, client_of: Any) -> None:
        link = invite(people, client_of("owner"))
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert Client().get(link).status_code == 404
        assert Client().post(link, JOIN).status_code == 404
        assert "expired" in client_of("owner").get(page(people, "people/")).content.decode()

    def test_a_new_link_ends_the_old_one(self, people: Any, client_of: Any) -> None:
        old = invite(people, client_of("owner"))
        row = Invitation.objects.get()
        answer = client_of("owner").post(page(people, f"invitations/{row.id}/renew"))
        (new,) = re.findall(r"(/invitation/[\w-]+)<", answer.content.decode())
        assert [Client().get(link).status_code for link in (old, new)] == [404, 200]

    def test_a_revoked_one_is_good_no_longer(self, people: Any, client_of: Any) -> None:
        link = invite(people, client_of("owner"))
        client_of("owner").post(page(people, f"invitations/{Invitation.objects.get().id}/revoke"))
        assert Client().get(link).status_code == 404
        assert actions()[-1] == ("olga@example.com", "invitation.revoked", "nina@example.com")

    def test_a_member_is_not_invited_again(self, people: Any, client_of: Any) -> None:
        data = {"email": "VERA@example.com", "role": "owner"}
        answer = client_of("owner").post(page(people, "invitations/"), data)
        assert answer.status_code == 422
        assert "is a member already" in answer.content.decode()

    def test_the_link_is_mailed_if_there_is_a_mail_server(
        self, people: Any, client_of: Any, mail_server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings, "CONFIG", replace(settings.CONFIG, smtp_url=urlsplit(mail_server.url)))
        link = invite(people, client_of("owner"))
        (letter,) = mail_server.mails
        assert link in letter.replace("=\r\n", "")
        assert "To: nina@example.com" in letter
        mail_server.refused = "nina"
        answer = client_of("owner").post(page(people, f"invitations/{Invitation.objects.get().id}/renew"))
        assert "nobody here" in answer.content.decode()
        assert "/invitation/" in answer.content.decode()


class TestTokens:
    def test_a_token_is_shown_once(self, people: Any, client_of: Any) -> None:
        client, tokens = client_of("owner"), page(people, "tokens/")
        shown = client.post(tokens, {"name": "export", "role": "viewer"}).content.decode()
        (token,) = re.findall(r"jbt_[\w-]{20,}", shown)
        row = ApiToken.objects.get()
        assert (row.digest, row.ending, row.role, row.user) == (
            digest(token),
            token[-4:],
            "viewer",
            people.owner,
        )
        later = client.get(tokens).content.decode()
        assert token not in later
        assert "never" in later
        assert token not in str(actions())

    def test_a_revoked_token_is_gone(self, people: Any, client_of: Any) -> None:
        client = client_of("owner")
        client.post(page(people, "tokens/"), {"name": "export", "role": "viewer"})
        row = ApiToken.objects.get()
        client.post(page(people, f"tokens/{row.id}/revoke"))
        assert not ApiToken.objects.exists()
        assert [action for _, action, _ in actions()] == ["api-token.made", "api-token.revoked"]

    def test_only_owners_make_them(self, people: Any, client_of: Any) -> None:
        for role in ("editor", "viewer"):
            answer = client_of(role).post(page(people, "tokens/"), {"name": "export", "role": "owner"})
            assert answer.status_code == 403
