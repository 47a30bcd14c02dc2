"""Paths of a warehouse's own pages, below /w/<workspace>/destinations/<destination>/warehouse/."""

from django.urls import path

from jetbridge.integrations.warehouse import pages

urlpatterns = [
    path("tables/", pages.tables, name="warehouse-tables"),
    path("query/", pages.query, name="warehouse-query"),
    path("rejected-values/", pages.rejected_values, name="warehouse-rejected-values"),
    path("runs/", pages.runs, name="warehouse-runs"),
]
