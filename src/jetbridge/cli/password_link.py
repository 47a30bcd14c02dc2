"""`jetbridge password-link`: for who has forgotten the password, where no mail is sent."""

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import start
from jetbridge.text import echo

#: What the audit log names instead of a person.
WHO = "jetbridge password-link"


@click.command("password-link")
@click.argument("email")
def password_link(email: str) -> None:
    """Print a link through which the person with this EMAIL chooses a new password."""
    start()
    from jetbridge.console.entry import password_link as links  # noqa: PLC0415 - models need a started Django

    user = links.person_with(email)
    if user is None:
        raise ConfigurationError(f"Nobody logs in with {email}. An owner can invite them: Settings, People.")
    links.note(user, "member.password-link-made", WHO)
    echo(
        f"Whoever opens this link chooses a new password for {user.email}, and whether API tokens end, too. "
        "Valid for one hour, single use:"
    )
    echo(links.link_for(user))
