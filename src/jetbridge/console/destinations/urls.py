"""Paths below /w/<workspace>/destinations/."""

from django.urls import path

from jetbridge.console.destinations import header, views

urlpatterns = [
    path("", views.index, name="destinations"),
    path("<int:destination>/enable", header.enable, name="destination-enable"),
    path("<int:destination>/release", header.release, name="destination-release"),
]
