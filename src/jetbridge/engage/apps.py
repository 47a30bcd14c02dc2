"""Django's name for this room."""

from django.apps import AppConfig

from jetbridge.delivery import light


class EngageConfig(AppConfig):
    name = "jetbridge.engage"
    label = "engage"

    def ready(self) -> None:
        from jetbridge.engage import lights  # noqa: PLC0415 - models need a started Django

        light.providers[self.label] = lights.lights
