"""Paths of Mailjet's own pages, below /w/<workspace>/destinations/<destination>/mailjet/."""

from django.urls import path

from jetbridge.integrations.mailjet.console import mapping

urlpatterns = [
    path("mapping/", mapping.mapping, name="destination-mapping"),
    path("mapping/preview", mapping.look, name="destination-mapping-preview"),
]
