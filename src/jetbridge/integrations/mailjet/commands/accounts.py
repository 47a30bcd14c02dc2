"""Which Mailjet accounts a command is about."""

from jetbridge.control.directory import AccountRef, load_accounts
from jetbridge.errors import ConfigurationError


def choose(account: int | None) -> list[AccountRef]:
    """The one with this id, or all. Raises ConfigurationError if there is none."""
    known = load_accounts()
    if not known:
        raise ConfigurationError("No Mailjet account is set up yet: see `jetbridge setup --help`.")
    refs = [ref for ref in known if account in {None, ref.id}]
    if not refs:
        ids = ", ".join(f"{ref.id} ({ref.name})" for ref in known)
        raise ConfigurationError(f"There is no Mailjet account {account}. These are known: {ids}.")
    return refs
