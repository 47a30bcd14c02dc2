"""Paths below /w/<workspace>/destinations/."""

from django.urls import include, path

from jetbridge.console.destinations import (
    catalog,
    contacts,
    event_delivery,
    filters,
    header,
    overview,
    settings,
    sync,
    tester,
)
from jetbridge.integrations import registry

urlpatterns = [
    path("", catalog.index, name="destinations"),
    path("catalog/", catalog.catalog, name="destination-catalog"),
    path("catalog/<str:kind>/", catalog.new, name="destination-new"),
    path("catalog/<str:kind>/confirm", catalog.confirm, name="destination-new-confirm"),
    path("catalog/<str:kind>/check", settings.check_new, name="destination-new-check"),
    path("catalog/<str:kind>/filter", catalog.filter_rows, name="destination-new-filter"),
    path("<int:destination>/", overview.overview, name="destination"),
    path(
        "<int:destination>/event-delivery/", event_delivery.event_delivery, name="destination-event-delivery"
    ),
    path("<int:destination>/event-delivery/retry", event_delivery.retry, name="destination-retry"),
    path(
        "<int:destination>/event-delivery/sample/<int:record>",
        event_delivery.sample,
        name="destination-sample",
    ),
    path(
        "<int:destination>/event-delivery/<str:outcome>/<path:code>",
        event_delivery.reason,
        name="destination-reason",
    ),
    path("<int:destination>/contacts/", contacts.contacts, name="destination-contacts"),
    path("<int:destination>/contacts/forget", contacts.forget, name="destination-forget"),
    path("<int:destination>/contacts/receipt/<int:erasure_id>", contacts.receipt, name="destination-receipt"),
    path("<int:destination>/sync/", sync.sync, name="destination-sync"),
    path("<int:destination>/sync/count", sync.count, name="destination-count"),
    path("<int:destination>/sync/task/<str:kind>", sync.start_task, name="destination-start-task"),
    path("<int:destination>/sync/task/<int:task>/cancel", sync.cancel_task, name="destination-task-cancel"),
    path("<int:destination>/sync/task/<int:task>/replay", sync.replay_counted, name="destination-replay"),
    path(
        "<int:destination>/sync/replay/<int:replay_id>/cancel",
        sync.cancel_replay,
        name="destination-replay-cancel",
    ),
    path("<int:destination>/settings/", settings.settings, name="destination-settings"),
    path("<int:destination>/settings/confirm", settings.confirm, name="destination-confirm"),
    path("<int:destination>/settings/check", settings.check, name="destination-check"),
    path("<int:destination>/filters/", filters.filters, name="destination-filters"),
    path("<int:destination>/filters/edit", filters.edit, name="destination-filters-edit"),
    path("<int:destination>/filters/try", filters.attempt, name="destination-filters-try"),
    path("<int:destination>/filters/switch", filters.switch, name="destination-filters-switch"),
    path("<int:destination>/tester/", tester.tester, name="destination-tester"),
    path("<int:destination>/tester/call", tester.call, name="destination-tester-call"),
    path("<int:destination>/tester/send", tester.send, name="destination-tester-send"),
    path("<int:destination>/tester/sent", tester.sent, name="destination-tester-sent"),
    path("<int:destination>/head", header.head, name="destination-head"),
    path("<int:destination>/remove", settings.remove, name="destination-remove"),
    path("<int:destination>/enable", header.enable, name="destination-enable"),
    path("<int:destination>/resume", header.resume, name="destination-resume"),
    path("<int:destination>/sync-now", header.sync_now, name="destination-sync-now"),
    *(
        path(f"<int:destination>/{kind}/", include(integration.urls))
        for kind, integration in registry.destinations().items()
        if integration.urls
    ),
]
