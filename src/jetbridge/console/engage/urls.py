"""Paths below /w/<workspace>/engage/."""

from django.urls import URLPattern, path

from jetbridge.console.engage import builder, computation, people, switch
from jetbridge.console.engage.page import PREFIXES
from jetbridge.engage.models import ComputationClass


def _computations(folder: str, id_: str, of: ComputationClass) -> list[URLPattern]:
    """Audiences and computed traits have the same pages. `id_`: how the path calls the number of one."""
    name, of_class, one = PREFIXES[of], {"of": of}, f"{folder}/<int:{id_}>"
    return [
        path(f"{folder}/", computation.index, of_class, name=f"{name}s"),
        path(f"{folder}/new", builder.new, of_class, name=f"{name}-new"),
        path(f"{folder}/preview", builder.preview, of_class, name=f"{name}-preview"),
        path(f"{folder}/explain", builder.explain, of_class, name=f"{name}-explain"),
        path(f"{one}/", computation.overview, name=name),
        path(f"{one}/edit", builder.edit, name=f"{name}-edit"),
        path(f"{one}/members", computation.members, name=f"{name}-members"),
        path(f"{one}/members/export", computation.export_members, name=f"{name}-export"),
        path(f"{one}/sync", computation.sync, name=f"{name}-sync"),
        path(f"{one}/sync/<int:destination>", computation.activate, name=f"{name}-activate"),
        path(f"{one}/sync/<int:destination>/deactivate", computation.deactivate, name=f"{name}-deactivate"),
        path(f"{one}/settings", computation.settings, name=f"{name}-settings"),
        path(f"{one}/delete", computation.delete, name=f"{name}-delete"),
    ]


urlpatterns = [
    path("", switch.index, name="engage"),
    *_computations("audiences", "audience", ComputationClass.AUDIENCE),
    *_computations("computed-traits", "trait", ComputationClass.TRAIT),
    path("people/", people.index, name="engage-people"),
    path("people/<path:segment_id>", people.person, name="person"),
]
