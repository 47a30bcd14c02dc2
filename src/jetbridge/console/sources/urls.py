"""Paths below /w/<workspace>/sources/."""

from django.urls import path

from jetbridge.console.sources import views

urlpatterns = [path("", views.index, name="sources")]
