"""Which processes of Jetbridge run in the home of this configuration."""

from django.conf import settings

from jetbridge.control import home_lock


def worker_runs() -> bool:
    """Whether a worker runs now: without one nothing is delivered, and nothing that somebody asks for begins."""
    return home_lock.is_taken(settings.CONFIG.home, "worker")
