"""Start Django for processes that are no Django site, and bring the tables up to date."""

import fcntl
import os
import pkgutil
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from jetbridge import config
from jetbridge.errors import ConfigurationError


def start() -> None:
    """Load Django's registry. Call once per process, before any model is imported."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jetbridge.control.settings")
    django.setup()


def start_existing() -> None:
    """`start`, for commands that begin no new installation. Raises ConfigurationError."""
    config.existing_home()
    start()


def migrate() -> None:
    """Create or upgrade the tables. Does nothing when they are current; two processes may call it at once.

    Raises ConfigurationError for tables of a version that this one does not know.
    """
    with (settings.CONFIG.home / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # SQLite would let both run the first migration, and one fail
        if not _are_current():
            call_command("migrate", verbosity=0, interactive=False)


def make_ready() -> None:
    """`migrate`, unless this process knows that it has been done. Raises what the disk or the database raises."""
    if not _ready:
        migrate()
        _ready.append(True)


#: Holds something once the tables are current.
_ready: list[bool] = []


def _are_current() -> bool:
    """Whether each migration was applied, by its name: every process asks, and Django takes 80 ms to answer.

    Raises ConfigurationError.
    """
    applied = MigrationRecorder(connection).applied_migrations().keys()
    known = {
        (app.label, module.name)
        for app in apps.get_app_configs()
        for module in pkgutil.iter_modules([str(Path(app.path) / "migrations")])
    }
    if applied - known:
        raise ConfigurationError(
            f"{settings.CONFIG.home} was made by another version of Jetbridge, which this one cannot read: set JETBRIDGE_HOME to "
            "a new folder, or run that version."
        )
    return applied >= known
