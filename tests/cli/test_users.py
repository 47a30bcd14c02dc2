from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.test import Client

from jetbridge.control.models import Workspace
from jetbridge.control.people import AuditEntry, Membership, Role, User

if TYPE_CHECKING:
    from conftest import Jetbridge


def test_a_link_is_printed_and_leads_to_the_page(jetbridge: "Jetbridge") -> None:
    user = User.objects.create_user("olga@example.com", "a bridge of boats")
    workspace = Workspace.objects.create(name="Shop")
    Membership.objects.create(user=user, workspace=workspace, role=Role.OWNER)
    sentence, link = jetbridge("users", "reset-password", "Olga@example.com").out.splitlines()
    assert sentence == (
        "Whoever opens this link chooses a new password for olga@example.com, and whether API tokens end, too. "
        "Valid for one hour, single use:"
    )
    address = urlsplit(link)
    response = Client().get(address.path, headers={"host": address.netloc})
    assert response.status_code == 200
    entry = AuditEntry.objects.get()
    assert (entry.workspace, entry.who, entry.action, entry.thing) == (
        workspace,
        "jetbridge users reset-password",
        "member.password-link-made",
        "olga@example.com",
    )


def test_who_is_not_here_is_told(jetbridge: "Jetbridge") -> None:
    result = jetbridge("users", "reset-password", "nobody@example.com")
    assert (result.status, result.out) == (1, "")
    assert (
        result.err
        == "Error: Nobody logs in with nobody@example.com: `jetbridge users add nobody@example.com` invites them.\n"
    )


def test_a_person_is_invited_as_owner_first_and_then_as_editor(jetbridge: "Jetbridge") -> None:
    workspace = Workspace.objects.create(name="Shop")
    first = jetbridge("users", "add", "Olga@example.com", "--json").json
    assert (first["email"], first["role"], first["workspace"]) == ("olga@example.com", "owner", "Shop")
    address = urlsplit(first["link"])
    page = Client().get(address.path, headers={"host": address.netloc})
    assert page.status_code == 200
    olga = User.objects.create_user("olga@example.com", "a bridge of boats")
    Membership.objects.create(user=olga, workspace=workspace, role=Role.OWNER)
    text, link = jetbridge("users", "add", "eve@example.com").out.splitlines()
    assert text == "eve@example.com becomes editor of Shop with this link. Valid for 7 days, single use."
    assert "/invitation" in link
    assert "is a member already" in jetbridge("users", "add", "olga@example.com").err
    assert {entry.who for entry in AuditEntry.objects.all()} == {"jetbridge users add"}
