"""Django's name for this room."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "jetbridge.privacy"
    label = "privacy"
