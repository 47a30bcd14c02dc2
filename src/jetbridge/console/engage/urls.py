"""Paths below /w/<workspace>/engage/."""

from django.urls import path

from jetbridge.console.engage import audiences, switch

urlpatterns = [
    path("", switch.index, name="engage"),
    path("audiences/", audiences.index, name="audiences"),
]
