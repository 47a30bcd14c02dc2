"""Django's name for this room."""

from django.apps import AppConfig


class SchemaConfig(AppConfig):
    name = "jetbridge.schema"
