"""Django's name for this room."""

from django.apps import AppConfig


class SourceSchemaConfig(AppConfig):
    name = "jetbridge.source_schema"
