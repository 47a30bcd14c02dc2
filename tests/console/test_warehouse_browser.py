"""In a real browser, before a real Jetbridge: calls become tables, runs say so, and a query finds them."""

import json
import os
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from django.conf import settings
from playwright.sync_api import expect

from jetbridge.control.models import Destination
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.warehouse.models import Run, Table
from jetbridge.services import new_destinations
from jetbridge.source_schema.models import NameRow


def send(served: Any, *calls: dict[str, Any]) -> None:
    body = json.dumps({"writeKey": served.joined.http_source.current_key, "batch": calls}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{served.url}/v1/batch", body, headers)).close()


def add_warehouse(served: Any) -> Destination:
    with closing(SqliteEventLog(settings.CONFIG.log_path)) as log:
        return new_destinations.add(
            log, served.joined.workspace, "warehouse", "Warehouse", {}, sources=[served.joined.http_source]
        )


def look(page: Any, name: str) -> None:
    """With SHOTS: pictures of a page, wide and narrow, light and dark."""
    if folder := os.environ.get("SHOTS"):
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 800})


def test_calls_become_tables_that_can_be_queried(served: Any, accessible: Any, eventually: Any) -> None:
    row = add_warehouse(served)
    order = {"type": "track", "userId": "ann", "event": "Order Completed"}
    send(served, *({**order, "properties": {"total": total, "event": "x"}} for total in (5, 6.5, "seven")))
    eventually(lambda: Table.objects.filter(destination_id=row.id, name="order_completed"), "it is loaded")

    page = served.open(f"destinations/{row.id}/warehouse/tables/")
    expect(page.get_by_role("rowheader", name=".order_completed")).to_be_visible()
    expect(page.get_by_text("4 values did not fit")).to_be_visible()
    accessible(page)
    look(page, "tables")
    page.get_by_role("link", name="See the values and what to do").click()
    expect(page.get_by_role("heading", name="By reason")).to_be_visible()
    expect(page.get_by_role("cell", name='"seven"')).to_be_visible()
    accessible(page)
    look(page, "rejected")
    page.get_by_label("Column").select_option("event")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("cell", name='"x"')).to_have_count(3)
    expect(page.get_by_role("cell", name='"seven"')).to_have_count(0)
    page = served.open(f"destinations/{row.id}/warehouse/query/")
    expect(
        page.get_by_text("It needs a table that comes with the first event Email Delivered")
    ).to_be_visible()
    accessible(page)
    look(page, "query")
    page = served.open(f"destinations/{row.id}/warehouse/runs/")
    expect(page.get_by_text("loaded", exact=True)).to_be_visible()
    accessible(page)
    look(page, "runs")
    page = served.open(f"destinations/{row.id}/settings/")
    look(page, "settings")

    schema = Table.objects.filter(destination_id=row.id)[0].schema
    with duckdb.connect(location.default_file(row.id), read_only=True) as connection:
        query = f'SELECT sum(total), count(*) FROM "{schema}".order_completed'
        assert connection.execute(query).fetchall() == [(11.5, 3)]
    Run.objects.all().delete()
    Table.objects.all().delete()


def test_what_is_left_out_is_unticked_among_what_was_sent(
    served: Any, accessible: Any, eventually: Any
) -> None:
    web = served.joined.http_source
    properties = {"total": 5, "coupon": "X", "ip": "10.0.0.1"}
    call = {"userId": "ann", "properties": properties}
    send(
        served,
        {**call, "type": "track", "event": "Order Completed"},
        {**call, "type": "track", "event": "Order Refunded"},
        {**call, "type": "page", "name": "Home"},
    )
    names = NameRow.objects.filter(source_id=web.id)
    eventually(lambda: names.filter(type="page", name="coupon").exists(), "the schema has them")

    page = served.open("destinations/catalog/warehouse/")
    text = page.get_by_label("Leave out")
    expect(page.get_by_role("checkbox", name="order_refunded", exact=True)).to_be_checked()
    table = page.get_by_role("checkbox", name="pages", exact=True)
    table.focus()
    page.keyboard.press("Space")
    expect(text).to_have_value("pages")
    page.keyboard.press("Tab")  # to its columns
    page.keyboard.press("Enter")
    expect(page.locator('[data-name="pages.coupon"]')).to_be_disabled()
    page.locator("summary", has_text="of order_completed").click()
    page.locator('[data-name="order_completed.coupon"]').uncheck()
    expect(text).to_have_value("pages, order_completed.coupon")
    page.locator("summary", has_text="of every table").click()
    page.locator('[data-name="*.ip"]').uncheck()
    expect(page.locator('[data-name="order_completed.ip"]')).to_be_disabled()
    expect(page.get_by_text("1 of 3 columns")).to_be_visible()
    text.fill("order_completed.coupon, *.ip")
    expect(table).to_be_checked()
    accessible(page)
    look(page, "select")
    page.get_by_label(web.name, exact=True).uncheck()
    expect(page.get_by_text("The chosen sources have sent nothing yet.")).to_be_visible()
    look(page, "select-nothing")
    page.get_by_label(web.name, exact=True).check()
    page.get_by_role("button", name="Save disabled").click()
    expect(page.get_by_text("Warehouse is saved.")).to_be_visible()
    (row,) = Destination.objects.filter(kind="warehouse")
    assert row.settings["exclude"] == "order_completed.coupon, *.ip"

    page.get_by_text("Select", exact=True).click()
    expect(page.locator('[data-name="order_completed"]')).to_be_checked()
    page.locator("summary", has_text="of order_completed").click()
    page.locator('[data-name="order_completed.coupon"]').check()
    accessible(page)
    look(page, "select-settings")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved: Leave out.")).to_be_visible()
    row.refresh_from_db()
    assert row.settings["exclude"] == "*.ip"
