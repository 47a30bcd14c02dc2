"""`jetbridge users`: accounts of the console for people who cannot be reached by mail, or who are locked out."""

import json

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo


@click.group()
def users() -> None:
    """Who logs in to the console: invite people, reset passwords."""


@users.command(
    epilog=examples(
        "jetbridge users add ada@example.com",
        "jetbridge users add ada@example.com --role viewer --workspace Shop",
    )
)
@click.argument("email")
@click.option(
    "--role",
    type=click.Choice(["owner", "editor", "viewer"]),
    help="What the person may do. [default: owner for the first person, else editor]",
)
@click.option("--workspace", metavar="NAME", help="The workspace; needed if there are several.")
@JSON
def add(email: str, *, role: str | None, workspace: str | None, as_json: bool) -> None:
    """Invite a person to a workspace, and print the link with which they join."""
    start()
    from jetbridge.control.people import INVITATION_DAYS, Role
    from jetbridge.services import invitations, lookup

    row = lookup.workspace(workspace)
    chosen = Role(role) if role else Role.EDITOR if row.memberships.exists() else Role.OWNER
    invited = invitations.invite(lookup.actor(row, "users add"), email, chosen)
    if as_json:
        fields = {
            "email": invited.invitation.email,
            "role": chosen,
            "workspace": row.name,
            "link": invited.link,
        }
        echo(json.dumps({**fields, "mailed": invited.sent, "problem": invited.problem or None}))
        return
    how = "It was sent by mail, too." if invited.sent else invited.problem
    echo(
        f"{invited.invitation.email} becomes {chosen.label.lower()} of {row} with this link. Valid for {INVITATION_DAYS} days, "
        f"single use. {how}".rstrip()
    )
    echo(invited.link)


@users.command("reset-password", epilog=examples("jetbridge users reset-password ada@example.com"))
@click.argument("email")
@JSON
def reset_password(email: str, *, as_json: bool) -> None:
    """Print a link with which the person with this EMAIL chooses a new password."""
    start()
    from jetbridge.console.auth import passwords

    user = passwords.person_with(email)
    if user is None:
        raise ConfigurationError(f"Nobody logs in with {email}: `jetbridge users add {email}` invites them.")
    passwords.add_audit_entries(user, "member.password-link-made", "jetbridge users reset-password")
    link = passwords.link_for(user)
    if as_json:
        echo(json.dumps({"email": user.email, "link": link}))
        return
    echo(
        f"Whoever opens this link chooses a new password for {user.email}, and whether API tokens end, too. "
        "Valid for one hour, single use:"
    )
    echo(link)
