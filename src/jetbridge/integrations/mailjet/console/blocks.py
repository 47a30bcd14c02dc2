"""What the page of an account shows: the Segment block of each app connection, ready for the template."""

from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.integrations.mailjet import provision
from jetbridge.integrations.mailjet.console import picker
from jetbridge.integrations.mailjet.console.picker import Picker
from jetbridge.integrations.mailjet.events import callbacks
from jetbridge.integrations.mailjet.key_rotation import Use, use_of
from jetbridge.integrations.setting import MASK


@dataclass(frozen=True)
class Block:
    """`key` is masked unless it was asked for."""

    connection: AppConnection
    picker: Picker
    uses: list[Use]
    key: str = field(default=MASK, repr=False)

    @property
    def id(self) -> str:
        """Tells the parts of the page apart."""
        return str(self.connection.id)

    @property
    def revealed(self) -> bool:
        return self.key != MASK

    @property
    def in_grace(self) -> bool:
        until = self.connection.previous_key_until
        return bool(until and until > timezone.now())

    @property
    def is_local(self) -> bool:
        """Segment cannot reach this Jetbridge."""
        return callbacks.is_this_machine(settings.CONFIG.public_url)

    @property
    def subscription_url(self) -> str:
        return provision.subscription_url(settings.CONFIG.public_url)

    @property
    def webhooks_url(self) -> str:
        return provision.webhooks_url(settings.CONFIG.public_url, self.connection)


def blocks_of(
    account: MailjetAccount, *, revealed: int | None = None, ask: bool = False, query: str = ""
) -> list[Block]:
    """All of an account, with the key of the `revealed` one. `ask` asks Mailjet for the lists that fit."""
    destinations = list(account.workspace.destinations.filter(kind="mailjet").order_by("name"))
    return [
        Block(
            row,
            picker.asked(account, row, query) if ask else picker.unasked(account, row),
            [use for each in destinations if (use := use_of(row, each))],
            row.authentication_key if row.id == revealed else MASK,
        )
        for row in account.app_connections.select_related("source").order_by("id")
    ]


def block_of(connection: AppConnection, picker: Picker) -> Block:
    """One alone, once Mailjet was asked for its list."""
    rows = connection.account.workspace.destinations.filter(kind="mailjet").order_by("name")
    return Block(connection, picker, [use for each in rows if (use := use_of(connection, each))])
