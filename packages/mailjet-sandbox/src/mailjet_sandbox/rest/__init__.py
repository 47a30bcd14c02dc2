"""The resources under ``/v3/REST``: a file per resource or family, and the rules that they share in ``resource.py``."""

from typing import Any

from mailjet_sandbox.rest.account import ApiKeys, MyProfiles, Senders, Users
from mailjet_sandbox.rest.campaign import CampaignDrafts, Campaigns
from mailjet_sandbox.rest.contact import Contacts
from mailjet_sandbox.rest.contactdata import ContactData
from mailjet_sandbox.rest.contactfilter import ContactFilters
from mailjet_sandbox.rest.contactmetadata import ContactMetadata
from mailjet_sandbox.rest.contactslist import ContactsLists
from mailjet_sandbox.rest.csvimport import BatchJobs, CsvImports
from mailjet_sandbox.rest.eventcallbackurl import EventCallbackUrls
from mailjet_sandbox.rest.listrecipient import ListRecipients
from mailjet_sandbox.rest.message import (
    ClickStatistics,
    MessageHistory,
    MessageInformation,
    Messages,
    MessageStates,
)
from mailjet_sandbox.rest.resource import Resource
from mailjet_sandbox.rest.statcounters import StatCounters
from mailjet_sandbox.state import State

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
    StatCounters,
    Campaigns,
    CampaignDrafts,
    ApiKeys,
    Users,
    MyProfiles,
    Senders,
)


def build_resources(state: State) -> dict[str, Resource[Any]]:
    return {kind.name: kind(state) for kind in RESOURCES}
