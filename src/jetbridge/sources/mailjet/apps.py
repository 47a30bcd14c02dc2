"""Django's name for this room."""

from django.apps import AppConfig


class MailjetEventsConfig(AppConfig):
    name = "jetbridge.sources.mailjet"
    label = "mailjet_events"
