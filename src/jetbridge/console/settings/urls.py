"""Paths below /w/<workspace>/settings/."""

from django.urls import path

from jetbridge.console.settings import profile, views

urlpatterns = [
    path("", views.index, name="settings"),
    path("profile/", profile.profile, name="profile"),
]
