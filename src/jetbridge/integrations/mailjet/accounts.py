"""Mailjet accounts and their app connections: their rows, the destinations of their events, and the URLs that Segment calls.

Nothing here calls Mailjet.

Every function raises ConfigurationError, having changed nothing, when another row is in the way.
"""

from collections.abc import Collection

from django.db import transaction
from django.db.models import QuerySet

from jetbridge.control import names
from jetbridge.control.factories import free_name, new_source
from jetbridge.control.models import AppConnection, Destination, MailjetAccount, Source, SourceKind, Workspace
from jetbridge.errors import ConflictError
from jetbridge.integrations.mailjet.api.events import EVENT_TYPES
from jetbridge.integrations.setting import MASK
from jetbridge.spec.outgoing import EU, US

SEGMENT = "segment"
REGIONS = {"us": US, "eu": EU}
#: It is part of the name of the destination of its email events.
NAME_LENGTH = 180


def accounts_of(workspace: Workspace) -> QuerySet[MailjetAccount]:
    """With what their pages and the API show."""
    return workspace.mailjet_accounts.select_related("workspace", "event_source")


@transaction.atomic
def add_account(
    workspace: Workspace, api_url: str, api_key: str, secret_key: str, name: str = ""
) -> MailjetAccount:
    """The caller begins the reader of its event source in the same transaction."""
    url = api_url.rstrip("/")
    _check_api_key_is_new(workspace, url, api_key)
    checked_name = names.checked("an account", name or f"Mailjet {api_key[:8]}", NAME_LENGTH)
    return MailjetAccount.objects.create(
        workspace=workspace,
        name=free_name(workspace.mailjet_accounts.all(), checked_name),
        api_url=url,
        api_key=api_key,
        secret_key=secret_key,
        event_source=new_source(workspace, SourceKind.MAILJET, "Mailjet events"),
    )


@transaction.atomic
def change_key_pair(account: MailjetAccount, api_key: str, secret_key: str, api_url: str = "") -> None:
    """With an `api_url`, the address at which the pair is used, too."""
    url = api_url.rstrip("/") or account.api_url
    if (url, api_key) != (account.api_url, account.api_key):
        _check_api_key_is_new(account.workspace, url, api_key)
    account.api_url, account.api_key, account.secret_key = url, api_key, secret_key
    account.save()


@transaction.atomic
def rename(account: MailjetAccount, name: str) -> None:
    checked_name = names.checked("an account", name, NAME_LENGTH)
    if account.workspace.mailjet_accounts.filter(name=checked_name).exclude(id=account.id).exists():
        raise ConflictError(f"Another account is named {checked_name}.")
    account.name = checked_name
    account.save()


def set_custom_id_is_user_id(account: MailjetAccount, value: bool) -> None:  # noqa: FBT001 - it is what is stored
    account.custom_id_is_user_id = value
    account.save()


@transaction.atomic
def connect_list(account: MailjetAccount, list_id: int, list_name: str) -> AppConnection:
    """A new app connection, with a source of its own and a new authentication key."""
    _check_list_is_new(account, list_id)
    source = new_source(account.workspace, SourceKind.SEGMENT, f"Segment workspace ({list_name})")
    return AppConnection.objects.create(account=account, list_id=list_id, list_name=list_name, source=source)


@transaction.atomic
def choose_list(connection: AppConnection, list_id: int, list_name: str) -> None:
    if list_id != connection.list_id:
        _check_list_is_new(connection.account, list_id)
    connection.list_id, connection.list_name = list_id, list_name
    connection.save()


@transaction.atomic
def disconnect(connection: AppConnection) -> None:
    """Remove an app connection. Its source stays, switched off: it says where messages came from."""
    source = connection.source_id
    connection.delete()
    Source.objects.filter(id=source).update(enabled=False)


@transaction.atomic
def remove_account(account: MailjetAccount) -> None:
    """Remove an account with its app connections; their sources stay, switched off."""
    for connection in account.app_connections.all():
        disconnect(connection)
    source = account.event_source_id
    account.delete()
    Source.objects.filter(id=source).update(enabled=False)


def event_destinations(account: MailjetAccount) -> list[Destination]:
    """The Segment destinations that get the email events of an account; those that are enabled first."""
    return list(account.event_source.destinations.filter(kind=SEGMENT).order_by("-enabled", "id"))


def event_settings(
    endpoint: str | None = None, events: Collection[str] | None = None, write_key: str = ""
) -> dict[str, str]:
    """Of the Segment destination. `endpoint` is a region or a URL; what is absent stays as it is."""
    values = {}
    if endpoint is not None:
        values["endpoint"] = REGIONS.get(endpoint, endpoint).rstrip("/")
    if events is not None:
        values["events"] = "" if len(set(events)) == len(EVENT_TYPES) else ", ".join(events)
    return values | ({"writeKey": write_key} if write_key else {})


def subscription_url(public_url: str) -> str:
    """Where a Segment workspace sends its calls, with the authentication key as the user of HTTP Basic."""
    return f"{public_url}/segment"


def webhooks_url(public_url: str, connection: AppConnection) -> str:
    """Where a Webhooks destination of Segment sends its calls.

    X-Signature names no key, so the address says whose secret it was made with.
    """
    return f"{public_url}/segment/{connection.source_id}"


def _check_api_key_is_new(workspace: Workspace, url: str, api_key: str) -> None:
    if row := workspace.mailjet_accounts.filter(api_url=url, api_key=api_key).first():
        raise ConflictError(f"This API key is that of {row.name}, which has been added already.")


def _check_list_is_new(account: MailjetAccount, list_id: int) -> None:
    if row := account.app_connections.filter(list_id=list_id).first():
        raise ConflictError(
            f"The list {row.list_name} ({list_id}) has an app connection already: use its Authentication key."
        )


def masked(key: str) -> str:
    """Enough of an API key to tell two apart."""
    return f"{key[:4]}{MASK}" if len(key) >= 16 else MASK
