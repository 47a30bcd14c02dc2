"""Paths below /w/<workspace>/app-connections/."""

from django.urls import path

from jetbridge.console.app_connections import views

urlpatterns = [path("", views.index, name="app-connections")]
