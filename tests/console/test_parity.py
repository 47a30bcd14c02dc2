"""What the console can do, a command or the API can do too: which one, for every page.

Who adds a page says here what does the same. Who changes something calls a service, as both sides do.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.api.calls import CALLS
from tests.command_tree import nodes

import jetbridge

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
    "account-backfill": ["list_backfills", "get_backfill", "jetbridge destinations backfill"],
    "account-backfill-cancel": ["cancel_backfill", "jetbridge destinations backfill"],
    "account-backfill-count": ["preview_backfill", "jetbridge destinations backfill"],
    "account-backfill-start": ["start_backfill", "jetbridge destinations backfill"],
    "account-callbacks": ["list_event_callbacks", "repair_event_callbacks"],
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
    "audience": ["get_audience", "list_audience_days", "jetbridge audiences"],
    "audience-activate": ["preview_audience_activation", "activate_audience", "jetbridge audiences"],
    "audience-deactivate": ["deactivate_audience", "jetbridge audiences"],
    "audience-delete": ["delete_audience", "jetbridge audiences"],
    "audience-edit": ["change_audience", "jetbridge audiences"],
    "audience-explain": ["explain_audience_definition"],
    "audience-export": ["export_audience_members", "jetbridge audiences"],
    "audience-members": ["list_audience_members", "explain_audience", "jetbridge audiences"],
    "audience-new": ["create_audience", "jetbridge audiences"],
    "audience-preview": ["preview_audience", "jetbridge audiences"],
    "audience-settings": ["change_audience", "list_audience_versions", "jetbridge audiences"],
    "audience-sync": ["get_audience", "jetbridge audiences"],
    "audiences": ["list_audiences", "jetbridge audiences"],
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
    "destination-start-task": ["request_task", "jetbridge contacts diff", "jetbridge contacts verify"],
    "destination-catalog": ["get_catalog"],
    "destination-check": ["check_changed_connection", "jetbridge doctor"],
    "destination-confirm": ["confirm_destination", "confirm_changed_settings"],
    "destination-contacts": [
        "list_contacts",
        "get_contact_figures",
        "list_receipts",
        "jetbridge contacts show",
    ],
    "destination-count": ["request_task"],
    "destination-enable": [
        "change_destination",
        "jetbridge destinations enable",
        "jetbridge destinations disable",
    ],
    "destination-event-delivery": ["list_reasons"],
    "destination-filters": ["get_destination", "change_destination"],
    "destination-filters-edit": ["change_destination"],
    "destination-filters-switch": ["change_destination"],
    "destination-filters-try": ["try_filter"],
    "destination-forget": ["forget_person", "jetbridge people delete"],
    "destination-head": ["get_status"],
    "destination-mapping": ["list_mapping", "change_destination"],
    "destination-mapping-preview": ["preview_call"],
    "destination-new": ["create_destination", "jetbridge destinations add"],
    "destination-new-filter": ["create_destination"],
    "destination-new-check": ["check_connection", "jetbridge destinations add"],
    "destination-new-confirm": ["confirm_settings"],
    "destination-reason": ["list_failures", "jetbridge messages list"],
    "destination-receipt": ["get_receipt"],
    "destination-resume": ["resume_destination", "jetbridge destinations resume"],
    "destination-remove": ["remove_destination", "jetbridge destinations delete"],
    "destination-replay": ["request_replay", "jetbridge destinations replay"],
    "destination-replay-cancel": ["cancel_replay"],
    "destination-retry": ["retry_failures", "jetbridge destinations retry"],
    "destination-sample": ["get_failure"],
    "destination-settings": ["get_destination", "change_destination", "jetbridge destinations set"],
    "destination-sync": ["get_contact_figures", "list_tasks", "get_task", "list_replays", "list_pauses"],
    "destination-sync-now": ["sync_destination", "get_sync", "jetbridge destinations sync"],
    "destination-task-cancel": ["cancel_task"],
    "destination-tester": ["test_call", "jetbridge destinations preview"],
    "destination-tester-call": ["call_destination", "jetbridge destinations test"],
    "destination-tester-send": ["send_test"],
    "destination-tester-sent": ["get_trace"],
    "destinations": ["get_status", "list_destinations", "jetbridge destinations list"],
    "engage-people": ["get_profile"],
    "engage": ["get_engage", "change_workspace", "jetbridge workspaces"],
    "invitation-renew": ["renew_invitation"],
    "invitation-revoke": ["revoke_invitation"],
    "invite": ["create_invitation"],
    "member-remove": ["remove_member"],
    "member-role": ["change_member"],
    "people": ["list_members", "list_invitations"],
    "person": [
        "jetbridge people show",
        "jetbridge people export",
        "get_profile",
        "list_messages",
        "get_trace",
        "explain_audience",
        "explain_computed_trait",
    ],
    "source": ["get_source", "get_volumes"],
    "source-add": ["create_source", "jetbridge sources add"],
    "source-connect": ["connect_source", "disconnect_source"],
    "source-debugger": ["list_messages", "jetbridge messages rejected"],
    "source-debugger-live": ["list_messages"],
    "source-enable": ["change_source"],
    "source-remove": ["remove_source", "jetbridge sources delete"],
    "source-import": ["list_imports", "upload_import", "jetbridge send"],
    "source-import-cancel": ["cancel_import"],
    "source-import-confirm": ["confirm_import"],
    "source-import-one": ["get_import", "read_import_otherwise"],
    "source-import-rejected": ["get_rejected_rows"],
    "source-message": ["get_message", "jetbridge messages trace"],
    "source-schema-block": [
        "list_blocks",
        "change_block",
        "jetbridge sources blocks",
        "jetbridge sources block",
        "jetbridge sources unblock",
    ],
    "source-schema": ["list_schema", "get_volumes"],
    "source-settings": ["change_source"],
    "sources": ["list_sources", "get_volumes", "jetbridge sources list"],
    "warehouse-query": ["get_warehouse_queries", "jetbridge warehouse queries"],
    "warehouse-rejected-values": [
        "list_rejected_values",
        "count_rejected_values",
        "jetbridge warehouse rejected",
    ],
    "warehouse-runs": ["list_warehouse_runs", "jetbridge warehouse runs"],
    "warehouse-tables": ["list_warehouse_tables", "jetbridge warehouse tables"],
    "workspace-add": ["create_workspace"],
    "workspace-delete": ["delete_workspace"],
    "workspace-settings": ["get_status", "change_workspace", "jetbridge workspaces"],
}
#: Computed traits have the pages of audiences.
SAME |= {
    page.replace("audience", "computed-trait"): [
        "jetbridge traits" if call == "jetbridge audiences" else call.replace("audience", "computed_trait")
        for call in calls
    ]
    for page, calls in SAME.items()
    if page.startswith("audience")
}
NAMES = {call.name for call in CALLS}
COMMAND_NAMES = {typed for typed, _ in nodes()}
#: Every command of these does what some page does.
OF_NOUNS = {
    typed
    for typed in COMMAND_NAMES
    for noun in ("destinations", "sources", "warehouse", "contacts", "people", "messages")
    if typed.startswith(f"jetbridge {noun} ")
}

SOURCE = Path(jetbridge.__file__).parent
OF_INTEGRATIONS = [path.parent for path in SOURCE.glob("integrations/*/services")]
PAGES = (SOURCE / "console", *(folder / "console" for folder in OF_INTEGRATIONS))
API = (SOURCE / "api", *(folder / "routers" for folder in OF_INTEGRATIONS))
COMMANDS = (SOURCE / "cli", *(folder / "commands" for folder in OF_INTEGRATIONS))
#: Where changes are made.
SERVICES = (
    SOURCE / "services",
    *(folder / "services" for folder in OF_INTEGRATIONS),
)
#: Changes that belong to a person: how they came in, and their password.
AUDITED_BY_PAGES = {
    "console/auth/first_run.py",
    "console/auth/passwords.py",
    "console/settings/people.py",
    "console/settings/profile.py",
}


def test_every_page_has_something_that_does_the_same() -> None:
    assert sorted(SAME.keys() | OF_A_PERSON) == ROUTES
    assert SAME.keys().isdisjoint(OF_A_PERSON)


def test_what_does_the_same_is_there() -> None:
    assert {name for names in SAME.values() for name in names} - NAMES - COMMAND_NAMES == set()


def test_every_command_of_a_noun_does_what_some_page_does() -> None:
    missing = OF_NOUNS - {name for names in SAME.values() for name in names}
    assert missing == {"jetbridge sources rotate-key"}  # no page replaces a write key yet


def test_every_endpoint_does_what_some_page_does() -> None:
    assert NAMES - {name for names in SAME.values() for name in names} == set()


def test_every_change_is_made_by_a_page_and_by_the_api() -> None:
    by_pages, by_api = called(*PAGES) & set(changes()), called(*API) & set(changes())
    assert sorted(by_pages) == sorted(by_api)
    assert set(changes()) - by_pages - called(*SERVICES, *COMMANDS) == set()
    assert len(by_pages) > 30


def test_the_audit_log_is_written_by_services_alone() -> None:
    """But for what belongs to a person, and is no change of a workspace."""
    writing = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if ".audit(" in path.read_text()
    }
    services = {str(path.relative_to(SOURCE)) for room in SERVICES for path in modules_of(room)}
    assert writing - services == AUDITED_BY_PAGES


def modules_of(room: Path) -> list[Path]:
    return [room] if room.suffix == ".py" else sorted(room.rglob("*.py"))


def called(*rooms: Path) -> set[str]:
    """module.function of the services that modules below folders call."""
    modules = [path for room in rooms for path in modules_of(room)]
    return set().union(*(called_in(ast.parse(path.read_text())) for path in modules))


def called_in(tree: ast.Module) -> set[str]:
    names = {".".join(["jetbridge", *room.relative_to(SOURCE).parts]) for room in SERVICES}
    modules = {
        name.asname or name.name: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in names
        for name in node.names
    }
    return {
        f"{modules[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }


def changes() -> Iterator[str]:
    """module.function of every service that an actor calls, and that is no part of another one in its module."""
    for path in (path for room in SERVICES for path in room.glob("*.py")):
        tree = ast.parse(path.read_text())
        parts = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in parts:
                first = node.args.args[0].annotation if node.args.args else None
                if isinstance(first, ast.Name) and first.id == "Actor":
                    yield f"{path.stem}.{node.name}"
