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
    sentence, link = jetbridge("password-link", "Olga@example.com").out.splitlines()
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
        "jetbridge password-link",
        "member.password-link-made",
        "olga@example.com",
    )


def test_who_is_not_here_is_told(jetbridge: "Jetbridge") -> None:
    result = jetbridge("password-link", "nobody@example.com")
    assert (result.status, result.out) == (1, "")
    assert (
        result.err
        == "Error: Nobody logs in with nobody@example.com. An owner can invite them: Settings, People.\n"
    )
