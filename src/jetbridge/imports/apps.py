"""Django's name for this room."""

from django.apps import AppConfig


class ImportsConfig(AppConfig):
    name = "jetbridge.imports"
