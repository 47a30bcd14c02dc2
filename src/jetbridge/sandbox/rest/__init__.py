"""The resources under ``/v3/REST``: a file per resource or family, and the rules that they share in ``resource.py``."""

from typing import Any

from jetbridge.sandbox.rest.account import ApiKeys, MyProfiles, Senders, Users
from jetbridge.sandbox.rest.campaign import CampaignDrafts, Campaigns
from jetbridge.sandbox.rest.contact import Contacts
from jetbridge.sandbox.rest.contactdata import ContactData
from jetbridge.sandbox.rest.contactfilter import ContactFilters
from jetbridge.sandbox.rest.contactmetadata import ContactMetadata
from jetbridge.sandbox.rest.contactslist import ContactsLists
from jetbridge.sandbox.rest.csvimport import BatchJobs, CsvImports
from jetbridge.sandbox.rest.eventcallbackurl import EventCallbackUrls
from jetbridge.sandbox.rest.listrecipient import ListRecipients
from jetbridge.sandbox.rest.message import (
    ClickStatistics,
    MessageHistory,
    MessageInformation,
    Messages,
    MessageStates,
)
from jetbridge.sandbox.rest.resource import Resource
from jetbridge.sandbox.world import World

RESOURCES: tuple[type[Resource[Any]], ...] = (
    ContactsLists,
    Contacts,
    ContactData,
    ContactMetadata,
    ListRecipients,
    ContactFilters,
    CsvImports,
    BatchJobs,
    EventCallbackUrls,
    Messages,
    MessageHistory,
    MessageInformation,
    MessageStates,
    ClickStatistics,
    Campaigns,
    CampaignDrafts,
    ApiKeys,
    Users,
    MyProfiles,
    Senders,
)


def build_resources(world: World) -> dict[str, Resource[Any]]:
    return {kind.name: kind(world) for kind in RESOURCES}
