"""campaign, and campaigndraft where a campaign's title lives. Both can be read only; ``/sandbox/campaigns`` sends."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mailjet_sandbox import clock
from mailjet_sandbox.model import Campaign
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest.message import time_predicates
from mailjet_sandbox.rest.resource import Resource, by_id
from mailjet_sandbox.wire import Row

_DAY = 86_400


class Campaigns(Resource[Campaign]):
    name = "campaign"
    type_name = "Campaign"

    def rows(self, query: Query) -> Iterable[Campaign]:
        """Without FromTS only today's campaigns are listed [I, airbyte#24570]."""
        today = self.store.now() // _DAY * _DAY
        everything = query.moment("FromTS") is not None
        return [row for row in self.store.campaigns.values() if everything or row.created_at >= today]

    def find(self, key: str) -> Campaign | None:
        campaigns = self.store.campaigns
        by_value = (row for row in campaigns.values() if row.custom_value and row.custom_value == key)
        return by_id(campaigns, key) or next(by_value, None)

    def predicates(self, query: Query) -> Iterator[Callable[[Campaign], bool]]:
        if (list_id := query.integer("ContactsListID")) is not None:
            yield lambda row: row.list_id == list_id
        if (kind := query.integer("FromType")) is not None:
            yield lambda row: row.campaign_type == kind
        if (custom := query.text("CustomCampaign")) is not None:
            yield lambda row: row.custom_value == custom
        yield from time_predicates(query, lambda row: row.created_at)

    def sort_keys(self) -> Mapping[str, Callable[[Campaign], Any]]:
        return {"ID": lambda row: row.id}

    def render(self, row: Campaign, _query: Query) -> Row:
        return {
            "CampaignType": row.campaign_type,
            "ClickTracked": 1,
            "CreatedAt": clock.rfc3339(row.created_at),
            "CustomValue": row.custom_value,
            "FirstMessageID": row.first_message_id,
            "FromEmail": row.from_email,
            "FromID": 1,
            "FromName": row.from_name,
            "HasHtmlCount": 1,
            "HasTxtCount": 1,
            "ID": row.id,
            "IsDeleted": False,
            "IsStarred": False,
            "ListID": row.list_id,
            "NewsLetterID": row.newsletter_id,
            "OpenTracked": 1,
            "SendEndAt": clock.rfc3339(row.created_at),
            "SendStartAt": clock.rfc3339(row.created_at),
            "SpamassScore": 0,
            "Status": 2,
            "Subject": row.subject,
            "UnsubscribeTrackedCount": 1,
        }


class CampaignDrafts(Resource[Campaign]):
    name = "campaigndraft"
    type_name = "CampaignDraft"

    def rows(self, _query: Query) -> Iterable[Campaign]:
        return [row for row in self.store.campaigns.values() if row.newsletter_id]

    def find(self, key: str) -> Campaign | None:
        return next((row for row in self.rows(Query(b"")) if str(row.newsletter_id) == key), None)

    def render(self, row: Campaign, _query: Query) -> Row:
        return {
            "ContactsListID": row.list_id,
            "CreatedAt": clock.rfc3339(row.created_at),
            "DeliveredAt": clock.rfc3339(row.created_at),
            "ID": row.newsletter_id,
            "Locale": "en_US",
            "ModifiedAt": clock.rfc3339(row.created_at),
            "SenderEmail": row.from_email,
            "SenderName": row.from_name,
            "Status": 2,
            "Subject": row.subject,
            "Title": row.title,
            "Url": "",
        }
