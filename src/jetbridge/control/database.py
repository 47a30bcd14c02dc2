"""Start Django for processes that are no Django site, and bring the tables up to date."""

import fcntl
import os

import django
from django.conf import settings
from django.core.management import call_command


def start() -> None:
    """Load Django's registry. Call once per process, before any model is imported."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jetbridge.control.settings")
    django.setup()


def migrate() -> None:
    """Create or upgrade the tables. Does nothing when they are current; two processes may call it at once."""
    with (settings.CONFIG.home / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # SQLite would let both run the first migration, and one fail
        call_command("migrate", verbosity=0, interactive=False)
