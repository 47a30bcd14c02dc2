"""Paths below /w/<workspace>/checklist/."""

from django.urls import path

from jetbridge.console.checklist import views

urlpatterns = [
    path("", views.checklist, name="checklist"),
    path("steps", views.steps, name="checklist-steps"),
]
