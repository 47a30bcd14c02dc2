"""The calls of the API for Mailjet accounts and what belongs to them, and for mappings."""

from jetbridge.api.routing import ApiRouter
from jetbridge.integrations.mailjet.routers import (
    app_connections,
    backfills,
    email_events,
    mailjet_accounts,
    mapping,
)

router = ApiRouter()
for _module in (mailjet_accounts, app_connections, email_events, backfills, mapping):
    router.add_router("", _module.router)
