"""What a workspace needs until it works, as its integrations say."""

from jetbridge.control.models import Workspace
from jetbridge.integrations import registry
from jetbridge.integrations.base import SetupStep


def steps_of(workspace: Workspace) -> list[SetupStep]:
    return [step for integration in registry.integrations() for step in integration.setup_steps(workspace)]
