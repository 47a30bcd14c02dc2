"""Django's name for this room."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "jetbridge.delivery"
    label = "delivery"
