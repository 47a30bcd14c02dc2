"""Paths below /w/<workspace>/destinations/."""

from django.urls import include, path

from jetbridge.console.destinations import catalog, header, listing, settings

urlpatterns = [
    path("", listing.index, name="destinations"),
    path("catalog/", catalog.catalog, name="destination-catalog"),
    path("catalog/<str:kind>/", catalog.new, name="destination-new"),
    path("catalog/<str:kind>/confirm", catalog.confirm, name="destination-new-confirm"),
    path("<int:destination>/", include("jetbridge.console.destinations.delivery_urls")),
    path("<int:destination>/settings/", settings.settings, name="destination-settings"),
    path("<int:destination>/settings/confirm", settings.confirm, name="destination-confirm"),
    path("<int:destination>/remove", settings.remove, name="destination-remove"),
    path("<int:destination>/enable", header.enable, name="destination-enable"),
    path("<int:destination>/release", header.release, name="destination-release"),
]
