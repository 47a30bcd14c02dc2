"""The calls of the API for Mailjet accounts and what belongs to them, and for mappings."""

from jetbridge.api.routing import ApiRouter
from jetbridge.integrations.mailjet.routers import email_events, mailjet_accounts, mapping

router = ApiRouter()
for _router in (mailjet_accounts.router, email_events.router, email_events.backfills_router, mapping.router):
    router.add_router("", _router)
