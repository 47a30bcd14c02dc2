"""Paths below /w/<workspace>/engage/."""

from django.urls import path

from jetbridge.console.engage import (
    audience_settings,
    audiences,
    builder,
    members,
    overview,
    people,
    switch,
    sync,
)

urlpatterns = [
    path("", switch.index, name="engage"),
    path("audiences/", audiences.index, name="audiences"),
    path("audiences/new", builder.new, name="audience-new"),
    path("audiences/preview", builder.preview, name="audience-preview"),
    path("audiences/explain", builder.explain, name="audience-explain"),
    path("audiences/<int:audience>/", overview.overview, name="audience"),
    path("audiences/<int:audience>/edit", builder.edit, name="audience-edit"),
    path("audiences/<int:audience>/members", members.index, name="audience-members"),
    path("audiences/<int:audience>/members/export", members.export, name="audience-export"),
    path("audiences/<int:audience>/sync", sync.index, name="audience-sync"),
    path("audiences/<int:audience>/sync/<int:destination>", sync.activate, name="audience-activate"),
    path(
        "audiences/<int:audience>/sync/<int:destination>/deactivate",
        sync.deactivate,
        name="audience-deactivate",
    ),
    path("audiences/<int:audience>/settings", audience_settings.index, name="audience-settings"),
    path("audiences/<int:audience>/delete", audience_settings.delete, name="audience-delete"),
    path("people/", people.index, name="engage-people"),
    path("people/<str:segment_id>", people.person, name="person"),
]
