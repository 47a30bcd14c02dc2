from django.apps import AppConfig


class MailjetDestinationConfig(AppConfig):
    name = "jetbridge.destinations.mailjet"
    label = "mailjet_destination"
