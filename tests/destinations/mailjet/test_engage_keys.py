"""Which keys of audiences and computed traits a Mailjet destination refuses, and why."""

import dataclasses
from typing import Any

import pytest

from jetbridge.integrations.base import ValueType
from jetbridge.integrations.mailjet.definition import MAILJET

from .conftest import Bridge


def _problem(bridge: Bridge, key: str, value_type: ValueType | None = None, **settings: Any) -> str | None:
    ref = dataclasses.replace(bridge.destination, settings={**bridge.destination.settings, **settings})
    return MAILJET.engage_key_problem(ref, key, value_type)


def test_a_key_that_means_nothing_here_is_accepted(bridge: Bridge) -> None:
    assert _problem(bridge, "order_completed_last_30days", ValueType.BOOLEAN) is None
    assert MAILJET.engage_property(bridge.destination, "30_day_active") == "p_30_day_active"


@pytest.mark.parametrize("key", ["email", "e_mail", "email_address"])
def test_a_key_that_holds_the_address_is_refused(bridge: Bridge, key: str) -> None:
    assert "address" in (_problem(bridge, key) or "")


@pytest.mark.parametrize("key", ["name", "first_name", "lastname"])
def test_a_key_that_makes_the_name_is_refused(bridge: Bridge, key: str) -> None:
    assert "Name of a Mailjet contact" in (_problem(bridge, key) or "")


def test_a_key_that_carries_consent_is_refused(bridge: Bridge) -> None:
    assert "unsubscribed" in (_problem(bridge, "unsubscribed") or "")
    assert _problem(bridge, "opted_out") is None
    assert "opted-out" in (_problem(bridge, "opted_out", unsubscribedTrait="opted-out") or "")
    assert "mail.out" in (_problem(bridge, "mail_out", unsubscribedTrait="mail.out") or "")


def test_a_key_that_the_mapping_names_is_refused(bridge: Bridge) -> None:
    assert "plan" in (_problem(bridge, "vip", mapping="plan = vip") or "")
    assert "vip" in (_problem(bridge, "vip", mapping="vip =") or "")
    assert "vip.since" in (_problem(bridge, "vip", mapping="vip.since = since") or "")
    assert _problem(bridge, "vip", mapping="plan = plan_name") is None


def test_a_key_whose_property_has_another_type_is_refused(bridge: Bridge) -> None:
    bridge.mailjet.create_contactmetadata("vip", "str")
    bridge.mailjet.create_contactmetadata("spent", "float")
    assert "str" in (_problem(bridge, "vip", ValueType.BOOLEAN) or "")
    assert _problem(bridge, "vip", ValueType.STRING) is None
    assert _problem(bridge, "vip", None) is None
    assert _problem(bridge, "spent", ValueType.INTEGER) is None
    assert _problem(bridge, "spent", ValueType.NUMBER) is None
    ref = bridge.destination
    assert MAILJET.engage_key_problem(ref, "vip", ValueType.BOOLEAN, offline=True) is None


def test_a_list_is_made_for_an_audience(bridge: Bridge) -> None:
    made = MAILJET.create_engage_list(bridge.destination, "Big spenders")
    found = bridge.mailjet.contactslist(made)
    assert found
    assert found.name == "Big spenders"


@pytest.mark.parametrize(("people", "calls"), [(0, 0), (1, 2), (5_000, 2), (5_001, 4), (1_000_000, 400)])
def test_a_first_sync_makes_a_job_for_five_thousand_people(bridge: Bridge, people: int, calls: int) -> None:
    assert MAILJET.engage_first_sync_calls(bridge.destination, people) == calls
