"""Which keys of audiences and computed traits a Mailjet destination refuses, and why."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination, Source
from jetbridge.engage.models import Activation, Computation, ComputationClass, Space
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.base import ValueType
from jetbridge.integrations.mailjet import connect, engage_keys
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import TraitName
from jetbridge.services import destination_settings
from jetbridge.services import destinations as destination_services
from mailjet_sandbox.server import running
from mailjet_sandbox.settings import Settings

from .conftest import Bridge


def _problem(bridge: Bridge, key: str, value_type: ValueType | None = None, **settings: Any) -> str | None:
    ref = dataclasses.replace(bridge.destination, settings={**bridge.destination.settings, **settings})
    return MAILJET.engage_key_problems(ref, {key: value_type}).get(key)


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
    assert "datetime" in (_problem(bridge, "spent", ValueType.DATE_TIME) or "")
    assert _problem(bridge, "vip", ValueType.DATE_TIME) is None
    ref = bridge.destination
    assert MAILJET.engage_key_problems(ref, {"vip": ValueType.BOOLEAN}, offline=True) == {}


def test_a_list_is_made_for_an_audience(bridge: Bridge) -> None:
    made = MAILJET.create_engage_list(bridge.destination, "Big spenders")
    found = bridge.mailjet.contactslist(made)
    assert found
    assert found.name == "Big spenders"


@pytest.mark.parametrize(
    ("people", "calls"), [(0, 0), (1, 1), (10, 10), (11, 2), (5_000, 2), (5_001, 4), (1_000_000, 400)]
)
def test_a_first_sync_makes_a_job_for_five_thousand_people_but_not_for_ten(
    bridge: Bridge, people: int, calls: int
) -> None:
    assert MAILJET.engage_first_sync_calls(bridge.destination, people) == calls


def _activate(bridge: Bridge, key: str) -> None:
    row = Destination.objects.get(id=bridge.destination.id)
    source = Source.objects.create(workspace=row.workspace, name="Engage", kind="engage")
    space = Space.objects.create(workspace=row.workspace, source=source)
    audience = Computation.objects.create(
        space=space,
        computation_class=ComputationClass.AUDIENCE,
        name="Big spenders",
        key=key,
        definition={"event": "Order Completed"},
    )
    Activation.objects.create(computation=audience, destination=row)


@pytest.mark.parametrize(
    "settings",
    [
        {"mapping": "plan = vip"},
        {"mapping": "vip ="},
        {"unsubscribedTrait": "vip"},
    ],
)
def test_settings_that_give_a_key_in_use_a_meaning_are_refused(
    bridge: Bridge, settings: dict[str, str]
) -> None:
    _activate(bridge, "vip")
    before = Destination.objects.get(id=bridge.destination.id).settings
    with pytest.raises(ConfigurationError, match="Audience Big spenders is sent here with the key vip"):
        destination_settings.change(bridge.destination.id, settings)
    assert Destination.objects.get(id=bridge.destination.id).settings == before


def test_another_key_behind_which_the_property_has_another_type_is_refused(bridge: Bridge) -> None:
    _activate(bridge, "vip")
    row = Destination.objects.get(id=bridge.destination.id)
    actor = Actor(row.workspace, None, "a test")
    with running(Settings(api_key="other", secret_key="private")) as sandbox:
        other = MailjetClient(sandbox.url, "other", "private")
        spec = connect.ConnectionSpec(row.workspace.name, sandbox.url, "other", "private", 1, "Customers")
        new = {"apiKey": connect.join(spec).connection.authentication_key}
        other.create_contactmetadata("vip", "str")
        refused = (
            "Audience Big spenders is sent here with the key vip. Mailjet has a property vip of the type str"
        )
        with pytest.raises(ConfigurationError, match=refused):
            destination_services.change(actor, row, new)
        row.refresh_from_db()
        assert new["apiKey"] not in row.secrets
        assert destination_services.change(actor, row, {"listId": "2"}), (
            "the property is that of another account"
        )
        Computation.objects.update(
            computation_class=ComputationClass.TRAIT, definition={"computed": "first", "property": "plan"}
        )
        assert destination_services.change(actor, row, new), "its values may be texts"


def test_another_key_is_accepted_where_mailjet_does_not_answer(bridge: Bridge) -> None:
    _activate(bridge, "vip")
    row = Destination.objects.get(id=bridge.destination.id)
    spec = connect.ConnectionSpec(
        row.workspace.name, "http://127.0.0.1:9", "other", "private", 1, "Customers"
    )
    key = connect.join(spec).connection.authentication_key
    assert destination_services.change(Actor(row.workspace, None, "a test"), row, {"apiKey": key})


def test_other_settings_may_change_while_a_key_is_in_use(bridge: Bridge) -> None:
    _activate(bridge, "vip")
    assert destination_settings.change(bridge.destination.id, {"mapping": "plan = plan_name"})


def test_a_key_that_had_a_meaning_before_stops_no_change(bridge: Bridge) -> None:
    destination_settings.change(bridge.destination.id, {"mapping": "vip ="})
    _activate(bridge, "vip")
    assert destination_settings.change(bridge.destination.id, {"formerContact": "delete"})


def test_a_key_that_is_no_longer_sent_here_may_get_a_meaning(bridge: Bridge) -> None:
    _activate(bridge, "vip")
    Computation.objects.update(deleted_at=datetime.now(UTC))
    assert destination_settings.change(bridge.destination.id, {"mapping": "vip ="})


def test_a_trait_of_a_source_with_the_property_of_an_audience_is_a_warning(bridge: Bridge) -> None:
    _activate(bridge, "vip")
    TraitName.objects.create(destination_id=bridge.destination.id, trait="VIP", property="vip")
    (warning,) = MAILJET.warnings(bridge.destination)
    assert "The trait VIP of a source goes to the property vip of Big spenders" in warning


def test_unsubscribes_are_read_from_the_lists_that_follow_audiences(bridge: Bridge) -> None:
    _activate(bridge, "vip")
    assert engage_keys.lists_of([bridge.destination.id]) == set()
    Activation.objects.update(list_id=4711)
    assert engage_keys.lists_of([bridge.destination.id]) == {4711}
    assert engage_keys.lists_of([bridge.destination.id + 1]) == set()
