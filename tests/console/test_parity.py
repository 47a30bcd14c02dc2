"""What the console can do, a command or the API can do too: which one, for every page.

Who adds a page says here what does the same. Who changes something does it by an act, which both sides call.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import jetbridge.console
from jetbridge import cli
from jetbridge.console.api.routes import ENDPOINTS

from .test_access import ROUTES

#: Pages through which a person comes in, and what belongs to a person and not to a workspace.
OF_A_PERSON = {
    "home",
    "login",
    "logout",
    "first-run",
    "invitation",
    "password-forgotten",
    "password-new",
    "profile",
    "workspace",
    "settings",
    "styleguide",
}

#: Page -> the endpoints or commands that read what it shows and change what it changes.
SAME: dict[str, list[str]] = {
    "account": ["get_mailjet_account", "get_email_events"],
    "account-add": ["create_mailjet_account"],
    "account-callbacks": ["list_event_callbacks", "mend_event_callbacks"],
    "account-edit": ["change_mailjet_account"],
    "account-events": ["change_email_events"],
    "account-lists": ["list_contacts_lists"],
    "account-remove": ["remove_mailjet_account"],
    "alert-add": ["create_alert_rule"],
    "alert-delete": ["delete_alert_rule"],
    "alert-rule": ["get_alert_rule", "change_alert_rule"],
    "alert-test": ["test_alert_rule"],
    "alerts": ["list_alerts", "list_alert_rules"],
    "api-token-revoke": ["revoke_token"],
    "api-tokens": ["list_tokens", "create_token"],
    "app-connections": ["list_mailjet_accounts"],
    "audit": ["list_changes"],
    "checklist": ["get_checklist"],
    "checklist-steps": ["get_checklist"],
    "connection-add": ["connect_list"],
    "connection-align": ["align_destination"],
    "connection-end-grace": ["end_grace"],
    "connection-key": ["reveal_key"],
    "connection-list": ["choose_list"],
    "connection-remove": ["remove_app_connection"],
    "connection-rotate": ["rotate_key"],
    "destination": ["get_figures"],
    "destination-ask": ["ask_task"],
    "destination-catalog": ["get_catalog"],
    "destination-confirm": ["confirm_destination", "confirm_changed_settings"],
    "destination-contacts": ["list_contacts", "get_contact_figures", "list_receipts"],
    "destination-count": ["ask_task"],
    "destination-enable": ["change_destination"],
    "destination-event-delivery": ["list_reasons"],
    "destination-filters": ["get_destination", "change_destination"],
    "destination-filters-edit": ["change_destination"],
    "destination-filters-switch": ["change_destination"],
    "destination-filters-try": ["try_filter"],
    "destination-forget": ["forget_person"],
    "destination-head": ["get_status"],
    "destination-mapping": ["list_mapping", "change_destination"],
    "destination-mapping-preview": ["preview_call"],
    "destination-new": ["create_destination"],
    "destination-new-filter": ["create_destination"],
    "destination-new-confirm": ["confirm_settings"],
    "destination-reason": ["list_failures", "jetbridge outcomes"],
    "destination-receipt": ["get_receipt"],
    "destination-release": ["release_destination"],
    "destination-remove": ["remove_destination"],
    "destination-replay": ["ask_replay"],
    "destination-replay-cancel": ["cancel_replay"],
    "destination-retry": ["retry_failures", "jetbridge retry"],
    "destination-sample": ["get_failure"],
    "destination-settings": ["get_destination", "change_destination"],
    "destination-sync": ["get_contact_figures", "list_tasks", "get_task", "list_replays", "list_holds"],
    "destination-task-cancel": ["cancel_task"],
    "destination-tester": ["test_call"],
    "destination-tester-send": ["send_test"],
    "destination-tester-sent": ["get_trace"],
    "destinations": ["get_status", "list_destinations"],
    "invitation-renew": ["renew_invitation"],
    "invitation-revoke": ["revoke_invitation"],
    "invite": ["create_invitation"],
    "member-remove": ["remove_member"],
    "member-role": ["change_member"],
    "people": ["list_members", "list_invitations"],
    "source": ["get_source", "get_volumes"],
    "source-add": ["create_source"],
    "source-connect": ["connect_source", "disconnect_source"],
    "source-debugger": ["list_messages"],
    "source-debugger-live": ["list_messages"],
    "source-enable": ["change_a_source"],
    "source-message": ["get_message"],
    "source-schema": ["list_schema", "get_volumes"],
    "source-settings": ["change_a_source"],
    "sources": ["list_sources", "get_volumes"],
    "workspace-add": ["create_workspace"],
    "workspace-delete": ["delete_workspace"],
    "workspace-settings": ["get_status", "rename_workspace"],
}
BY_NAME = {each.name: each for each in ENDPOINTS}

CONSOLE = Path(jetbridge.console.__file__).parent
#: Changes that belong to a person: how they came in, and their password.
AUDITED_BY_PAGES = {
    "entry/first_run.py",
    "entry/password_link.py",
    "settings/accept.py",
    "settings/profile.py",
}


def test_every_page_has_something_that_does_the_same() -> None:
    assert sorted(SAME.keys() | OF_A_PERSON) == ROUTES
    assert SAME.keys().isdisjoint(OF_A_PERSON)


def test_what_does_the_same_is_there() -> None:
    commands = {f"jetbridge {name}" for name in cli.COMMANDS}
    assert {name for names in SAME.values() for name in names} - BY_NAME.keys() - commands == set()


def test_every_endpoint_does_what_some_page_does() -> None:
    assert BY_NAME.keys() - {name for names in SAME.values() for name in names} == set()


def test_every_act_is_called_by_a_page_and_by_an_endpoint() -> None:
    pages, endpoints = called(lambda room: room not in {"api", "acts"}), called(lambda room: room == "api")
    assert sorted(pages) == sorted(endpoints)
    assert set(acts()) - called(lambda _: True) == set()
    assert len(pages) > 30


def test_what_is_written_into_the_audit_log_is_written_by_acts() -> None:
    writing = {
        str(path.relative_to(CONSOLE)) for path in CONSOLE.rglob("*.py") if ".audit(" in path.read_text()
    }
    assert {name for name in writing if not name.startswith("acts/")} == AUDITED_BY_PAGES


def called(wanted: Callable[[str], bool]) -> set[str]:
    """module.function of the acts that the modules of some rooms of the console call."""
    found = set()
    for path in CONSOLE.rglob("*.py"):
        if wanted(path.relative_to(CONSOLE).parts[0]):
            found |= called_in(ast.parse(path.read_text()))
    return found


def called_in(tree: ast.Module) -> set[str]:
    modules = {
        name.asname or name.name: name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "jetbridge.console.acts"
        for name in node.names
    }
    return {
        f"{modules[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }


def acts() -> Iterator[str]:
    """module.function of every act."""
    for path in (CONSOLE / "acts").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{path.stem}.{node.name}"
