"""Django's name for this room."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    name = "jetbridge.control"
    label = "control"
