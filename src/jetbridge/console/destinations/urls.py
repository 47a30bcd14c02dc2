"""Paths below /w/<workspace>/destinations/."""

from django.urls import path

from jetbridge.console.destinations import views

urlpatterns = [path("", views.index, name="destinations")]
