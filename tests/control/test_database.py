import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from jetbridge.control import database
from jetbridge.errors import ConfigurationError
from jetbridge.source_schema.models import NameRow

MIGRATE = "from jetbridge.control import database; database.start(); database.migrate()"


def test_the_migrations_make_the_tables_that_the_models_describe(home: Path) -> None:
    """Fails when a model was changed without a migration."""
    call_command("makemigrations", check=True, dry_run=True, stdout=io.StringIO())


def test_two_processes_may_bring_the_tables_up_to_date_at_once(tmp_path: Path) -> None:
    env = os.environ | {"JETBRIDGE_HOME": str(tmp_path / "new")}
    both = [
        subprocess.Popen([sys.executable, "-c", MIGRATE], env=env, stderr=subprocess.PIPE) for _ in range(2)
    ]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]


def test_tables_of_an_older_version_are_brought_up_to_date(home: Path) -> None:
    call_command("migrate", "source_schema", "zero", verbosity=0)
    database.migrate()
    assert NameRow.objects.count() == 0


def test_tables_that_are_current_cost_no_migration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "call_command", None)
    database.migrate()


def test_a_home_of_another_version_is_refused_in_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tables may have the same names, and other columns."""
    monkeypatch.setattr(database, "call_command", None)
    MigrationRecorder(connection).record_applied("delivery", "0002_again_replay_erasure")
    with pytest.raises(
        ConfigurationError, match=r"^\S+ was made by another version of Jetbridge, .+ version\.$"
    ):
        database.migrate()
