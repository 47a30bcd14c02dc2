"""Django's name for this room."""

from django.apps import AppConfig


class EngageConfig(AppConfig):
    name = "jetbridge.engage"
    label = "engage"
