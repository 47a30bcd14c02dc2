"""Makes the Mailjet destination that delivers, out of its settings."""

from jetbridge.control.directory import DestinationRef
from jetbridge.integrations.mailjet import settings
from jetbridge.integrations.mailjet.contacts.mapping import TraitNames
from jetbridge.integrations.mailjet.contacts.merge import MailjetDestination


def open_destination(ref: DestinationRef) -> MailjetDestination:
    """Raises PauseError when its settings lead nowhere."""
    account = settings.check(ref)
    names = TraitNames(ref.id)
    return MailjetDestination(
        ref.id,
        account.id,
        settings.default_list(ref),
        workspace=ref.workspace,
        delete_former=ref.settings.get("formerContact") == settings.DELETE,
        unsubscribed_trait=settings.unsubscribed_trait(ref),
        mapping=settings.mapping_of(ref, names.notice),
        names=names,
    )
