"""Paths below /w/<workspace>/engage/."""

from django.urls import path

from jetbridge.console.engage import audiences, builder, people, switch

urlpatterns = [
    path("", switch.index, name="engage"),
    path("audiences/", audiences.index, name="audiences"),
    path("audiences/new", builder.new, name="audience-new"),
    path("audiences/preview", builder.preview, name="audience-preview"),
    path("audiences/explain", builder.explain, name="audience-explain"),
    path("audiences/<int:audience>/edit", builder.edit, name="audience-edit"),
    path("people/", people.index, name="engage-people"),
    path("people/<str:segment_id>", people.person, name="person"),
]
