"""An import as a person does it: in a real browser, before a real Jetbridge and a Mailjet in a box."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jetbridge.integrations.mailjet.api.client import MailjetClient

pytestmark = pytest.mark.acceptance

PEOPLE = (
    "sep=;\r\nUser ID;E-Mail;Name;PLZ;Unsubscribed\r\n1;zoe@example.com;Zoë;01067;nein\r\n"
    "2;bob@;Bob;20095;\r\n3;ada@example.com;Ada;20095;x\r\n4;dan@example.com;Dan;1;ja\r\n"
)


def picture(page: Page, name: str) -> None:
    """For the eyes of who works on the page: PICTURES names a folder."""
    if folder := os.environ.get("PICTURES"):
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=f"{folder}/{name}-{width}-{scheme}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 800})


def test_a_spreadsheet_becomes_contacts_and_its_rejected_row_comes_back(
    served: Any, tmp_path: Path, accessible: Any, eventually: Any
) -> None:
    source = served.workspace.sources.get(kind="http")
    page: Page = served.open(f"sources/{source.id}/")
    page.get_by_role("navigation", name="Source").get_by_role("link", name="Import").click()
    picture(page, "upload")
    accessible(page)
    page.get_by_label("File").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode("cp1252")}
    )
    page.get_by_role("button", name="Upload and preview").click()

    expect(page.get_by_role("heading", name="3 rows would be sent, 1 rejected")).to_be_visible()
    expect(page.get_by_text("has an email that is no address: bob@")).to_be_visible()
    expect(page.get_by_text("says x as unsubscribed, which is neither yes nor no")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("PLZ"))).to_contain_text("01067")
    page.get_by_text("Something is read wrong").click()
    accessible(page)
    picture(page, "preview")

    page.get_by_role("button", name="Import 3 rows").click()
    expect(page.get_by_text("3 rows were sent, 1 rejected.")).to_be_visible()
    accessible(page)
    picture(page, "result")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download rejected rows").click()
    rejected = tmp_path / download.value.suggested_filename
    download.value.save_as(rejected)
    assert rejected.name == "people.rejected.csv"

    mended = rejected.read_text("utf-8-sig").replace(";bob@;", ";bob@example.com;")
    rejected.write_text(mended)
    page.get_by_role("link", name="All imports").click()
    page.get_by_label("File").set_input_files(rejected)
    page.get_by_role("button", name="Upload and preview").click()
    page.get_by_role("button", name="Import 1 row").click()
    expect(page.get_by_text("1 row was sent.")).to_be_visible()
    page.get_by_role("link", name="All imports").click()
    expect(page.get_by_role("row", name=re.compile("people.rejected.csv"))).to_contain_text("Ended")
    accessible(page)
    picture(page, "list")

    mailjet = MailjetClient(served.sandbox_url, "public", "private")
    for name in ("zoe", "bob", "ada", "dan"):
        eventually(lambda name=name: mailjet.contact(f"{name}@example.com"), f"{name} in Mailjet")
    assert mailjet.contactdata("zoe@example.com")["plz"] == "01067"


def test_a_large_file_leaves_the_pages_quick_and_can_be_cancelled(served: Any, accessible: Any) -> None:
    source = served.workspace.sources.get(kind="http")
    page: Page = served.open(f"sources/{source.id}/import")
    rows = b"".join(b"u%d,person%d@example.com,%d\n" % (n, n, n) for n in range(400_000))
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"jetbridge-large-{os.getpid()}.csv"
    path.write_bytes(b"userId,email,n\n" + rows)
    try:
        page.get_by_label("File").set_input_files(path)
        page.get_by_role("button", name="Upload and preview").click()
        expect(page.get_by_text("The file is being read. Nothing is sent yet.")).to_be_visible()
        picture(page, "reading")
        accessible(page)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Cancelled.")).to_be_visible()
    finally:
        path.unlink()
