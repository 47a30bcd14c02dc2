"""Paths below /w/<workspace>/sources/."""

from django.urls import path

from jetbridge.console.sources import debugger, imports, schema, views

urlpatterns = [
    path("", views.index, name="sources"),
    path("add", views.add, name="source-add"),
    path("<int:source>/", views.overview, name="source"),
    path("<int:source>/connect", views.connect, name="source-connect"),
    path("<int:source>/settings", views.change, name="source-settings"),
    path("<int:source>/enable", views.enable, name="source-enable"),
    path("<int:source>/remove", views.remove, name="source-remove"),
    path("<int:source>/schema", schema.schema, name="source-schema"),
    path("<int:source>/schema/block", schema.block, name="source-schema-block"),
    path("<int:source>/import", imports.index, name="source-import"),
    path("<int:source>/import/<int:upload>/", imports.one, name="source-import-one"),
    path("<int:source>/import/<int:upload>/confirm", imports.confirm, name="source-import-confirm"),
    path("<int:source>/import/<int:upload>/cancel", imports.cancel, name="source-import-cancel"),
    path("<int:source>/import/<int:upload>/rejected", imports.rejected, name="source-import-rejected"),
    path("<int:source>/debugger", debugger.debugger, name="source-debugger"),
    path("<int:source>/debugger/live", debugger.watch, name="source-debugger-live"),
    path("<int:source>/debugger/<int:position>", debugger.message, name="source-message"),
]
