"""Paths below /w/<workspace>/engage/."""

from django.urls import path

from jetbridge.console.engage import audiences, builder, switch

urlpatterns = [
    path("", switch.index, name="engage"),
    path("audiences/", audiences.index, name="audiences"),
    path("audiences/new", builder.new, name="audience-new"),
    path("audiences/preview", builder.preview, name="audience-preview"),
    path("audiences/explain", builder.explain, name="audience-explain"),
    path("audiences/<int:audience>/edit", builder.edit, name="audience-edit"),
]
