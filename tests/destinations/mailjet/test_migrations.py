"""Rows that were written before a change of what they hold are read after it."""

import json
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from jetbridge.destinations.mailjet.contacts import load_contacts
from jetbridge.destinations.mailjet.models import Contact
from jetbridge.destinations.mailjet.pending import Waiting
from jetbridge.destinations.mailjet.state import Delivered

BY_LIST = import_module("jetbridge.destinations.mailjet.migrations.0004_pending_by_list_and_late_jobs")


@pytest.mark.usefixtures("home")
def test_what_waited_by_destination_waits_by_list() -> None:
    before: dict[str, Any] = {"1": [2, 7, "m-7", 5, 0]}
    Contact.objects.create(
        account_id=1,
        email="a@b.com",
        desired=b'{"lists":{"38001":["addnoforce",1]}}',
        delivered=b"{}",
        pending=json.dumps(before).encode(),
        sent=json.dumps({"told": {"lists": {"38001": "addnoforce"}}, "pending": before}).encode(),
    )
    Contact.objects.create(account_id=1, email="c@b.com", desired=b"{}", delivered=b"{}")
    BY_LIST.by_list(apps, None)
    contact = load_contacts(1, ["a@b.com"])["a@b.com"]
    waiting = {1: {38001: Waiting(2, 7, "m-7", 5, 0)}}
    assert contact.pending == contact.sent.pending == waiting
    assert contact.sent.told == Delivered(lists={38001: "addnoforce"})
    assert load_contacts(1, ["c@b.com"])["c@b.com"].pending == {}
