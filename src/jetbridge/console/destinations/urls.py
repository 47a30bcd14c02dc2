"""Paths below /w/<workspace>/destinations/."""

from django.urls import include, path

from jetbridge.console.destinations import catalog, connection, filters, header, listing, settings, tester
from jetbridge.integrations import registry

urlpatterns = [
    path("", listing.index, name="destinations"),
    path("catalog/", catalog.catalog, name="destination-catalog"),
    path("catalog/<str:kind>/", catalog.new, name="destination-new"),
    path("catalog/<str:kind>/confirm", catalog.confirm, name="destination-new-confirm"),
    path("catalog/<str:kind>/check", connection.check_new, name="destination-new-check"),
    path("catalog/<str:kind>/filter", catalog.filter_rows, name="destination-new-filter"),
    path("<int:destination>/", include("jetbridge.console.destinations.delivery_urls")),
    path("<int:destination>/settings/", settings.settings, name="destination-settings"),
    path("<int:destination>/settings/confirm", settings.confirm, name="destination-confirm"),
    path("<int:destination>/settings/check", connection.check, name="destination-check"),
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
