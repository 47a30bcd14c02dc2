"""In a real browser, before a real Jetbridge: a warehouse from the catalogue to its first run, in three steps."""

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg.conninfo import make_conninfo
from tests import postgres

from jetbridge.control.models import Destination
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.warehouse.models import Run, Table

from .test_warehouse_browser import look, send

STEPS = ("reach", "login", "schema", "write", "read")


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


@pytest.fixture
def dialog(served: Any) -> Iterator[Any]:
    """The slide-out of a new warehouse."""
    served.workspace.destinations.filter(kind="warehouse").delete()
    page: Page = served.open("destinations/catalog/")
    page.get_by_role("link", name="Warehouse", exact=True).click()
    dialog = page.get_by_role("dialog", name="Add Warehouse")
    expect(dialog.get_by_role("button", name="Check connection")).to_be_visible()
    yield dialog
    served.workspace.destinations.filter(kind="warehouse").delete()
    Run.objects.all().delete()
    Table.objects.all().delete()


def expect_states(dialog: Any, *states: str) -> None:
    for name, state in zip(STEPS, states, strict=True):
        expect(dialog.locator(f"#check-{name}")).to_have_class(state)


def order(served: Any, total: int) -> None:
    send(
        served, {"type": "track", "userId": "ann", "event": "Order Completed", "properties": {"total": total}}
    )


def test_from_the_catalogue_to_the_first_run_on_duckdb(
    served: Any, dialog: Any, accessible: Callable[[Page], None]
) -> None:
    page: Page = dialog.page
    look(page, "setup")
    dialog.get_by_role("button", name="Check connection").press("Enter")
    expect_states(dialog, *["passed"] * 5)
    accessible(page)
    look(page, "setup-passed")
    dialog.get_by_label("Leave out").fill("order_complete, *.context_ip")
    expect(dialog.get_by_text("There is no table named order_complete so far.")).to_be_visible()
    dialog.locator("#id_schedule").select_option("daily")
    dialog.get_by_label("Time of day").fill("25:00")
    dialog.get_by_role("button", name="Add and enable").click()
    expect(dialog.get_by_text("is no time of day such as 03:00")).to_be_visible()
    dialog.get_by_label("Time of day").fill("03:30")
    look(page, "setup-filled")
    dialog.get_by_role("button", name="Add and enable").click()
    expect(
        page.get_by_text("Warehouse is added and enabled. It receives messages from now on.")
    ).to_be_visible()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.locator("#sync-words")).to_contain_text("(03:30)")
    order(served, 7)
    expect(page.locator(".stat", has_text="Waiting").locator("dd").first).to_have_text("1", timeout=60_000)
    look(page, "runs-waiting")
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("It syncs now.")).to_be_visible()
    expect(page.get_by_role("cell", name="loaded")).to_be_visible(timeout=60_000)
    accessible(page)
    look(page, "runs-synced")
    row = Destination.objects.get(kind="warehouse")
    schema = Table.objects.filter(destination_id=row.id)[0].schema
    with duckdb.connect(location.default_file(row.id), read_only=True) as connection:
        query = f'SELECT total FROM "{schema}".order_completed'
        assert connection.execute(query).fetchall() == [(7,)]


def test_from_the_catalogue_to_the_first_run_on_postgresql(
    served: Any,
    dialog: Any,
    eventually: Any,
    postgres_server: postgres.Server,
    accessible: Callable[[Page], None],
) -> None:
    page: Page = dialog.page
    database = postgres_server.create_database()
    parameters = make_conninfo(**postgres_server.parameters(database))

    def run(sql: Any) -> list[Any]:
        with psycopg.connect(parameters, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    run("CREATE ROLE loader LOGIN PASSWORD 'right'")
    url = f"postgresql://loader:{{}}@127.0.0.1:{postgres_server.port}/{database}"
    check = dialog.get_by_role("button", name="Check connection")

    dialog.get_by_label("Database URL").fill(url.format("wrong"))
    check.click()
    expect_states(dialog, "passed", "failed", "skipped", "skipped", "skipped")
    expect(dialog.get_by_text("password authentication failed")).to_be_visible()
    dialog.get_by_label("Database URL").fill(url.format("right"))
    check.click()
    expect_states(dialog, "passed", "passed", "failed", "skipped", "skipped")
    look(page, "setup-failed")
    dialog.get_by_role("button", name="Add and enable").click()
    expect(dialog.get_by_role("button", name="Save anyway")).to_be_visible()
    assert not Destination.objects.filter(kind="warehouse").exists()
    run(dialog.locator("#check-command").inner_text())
    check.click()
    expect_states(dialog, *["passed"] * 5)
    assert dialog.get_by_label("Database URL").input_value() == url.format("right")
    dialog.get_by_role("button", name="Add and enable").click()
    expect(page.get_by_text("It receives messages from now on")).to_be_visible()
    order(served, 9)
    expect(page.get_by_role("cell", name="loaded")).to_be_visible(timeout=60_000)
    row = Destination.objects.get(kind="warehouse")
    schema = Table.objects.filter(destination_id=row.id)[0].schema
    assert run(f'SELECT total FROM "{schema}".order_completed') == [(9,)]
    page.goto(f"{served.url}/w/{served.workspace.id}/destinations/{row.id}/settings/")
    page.get_by_role("button", name="Check connection").click()
    expect_states(page, *["passed"] * 5)  # with the URL that is stored
    accessible(page)
    look(page, "settings-checked")


@pytest.mark.parametrize("how", ["slide-out", "page"])
def test_a_wrong_url_comes_into_view_with_the_focus(served: Any, dialog: Any, how: str) -> None:
    page: Page = dialog.page if how == "slide-out" else served.open("destinations/catalog/warehouse/")
    within = dialog if how == "slide-out" else page.locator("main")
    within.get_by_label("URL").fill("nonsense")
    within.get_by_role("button", name="Add and enable").click()
    expect(within.locator(".field.wrong")).to_be_visible()
    expect(within.get_by_label("URL")).to_be_focused()
    expect(within.get_by_label("URL")).to_be_in_viewport()


@pytest.mark.parametrize("how", ["slide-out", "page"])
def test_a_failed_step_of_the_connection_comes_into_view(
    served: Any, dialog: Any, postgres_server: postgres.Server, how: str
) -> None:
    page: Page = dialog.page if how == "slide-out" else served.open("destinations/catalog/warehouse/")
    within = dialog if how == "slide-out" else page.locator("main")
    within.get_by_label("URL").fill(f"postgresql://nobody:wrong@127.0.0.1:{postgres_server.port}/nowhere")
    within.get_by_role("button", name="Add and enable").click()
    expect(within.locator(".check-steps li.failed")).to_be_focused()
    expect(within.locator(".check-steps li.failed")).to_be_in_viewport()


def test_without_htmx_a_wrong_setting_comes_into_view_with_the_focus(served: Any) -> None:
    row = served.workspace.destinations.create(
        kind="webhook", name="Hook", enabled=False, settings={"url": "https://example.com/"}
    )
    page = served.open(f"destinations/{row.id}/settings/")
    page.set_viewport_size({"width": 390, "height": 500})
    page.locator("#id_url").fill("nonsense")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    expect(page.locator(".field.wrong")).to_be_visible()
    expect(page.locator("#id_url")).to_be_focused()
    expect(page.locator("#id_url")).to_be_in_viewport()
