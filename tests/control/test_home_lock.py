import os
import subprocess
import sys
from pathlib import Path

import pytest

from jetbridge.control import home_lock
from jetbridge.errors import ConfigurationError

HOLDER = """
import sys, time
from pathlib import Path
from jetbridge.control import home_lock
lock = home_lock.take(Path(sys.argv[1]), "worker")
print("taken", flush=True)
time.sleep(60)
"""


def pause(home: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    process.stdout.close()
    return process


def test_a_living_holder_is_named_at_once(tmp_path: Path) -> None:
    holder = pause(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        home_lock.take(tmp_path, "worker")
    assert str(error.value).startswith(
        f"Another `jetbridge worker` (process {holder.pid}) works on {tmp_path}."
    )
    assert home_lock.is_taken(tmp_path, "worker")
    holder.kill()
    holder.wait()


def test_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    holder = pause(tmp_path)
    holder.kill()
    holder.wait()
    assert not home_lock.is_taken(tmp_path, "worker")
    with home_lock.take(tmp_path, "worker"):
        assert (tmp_path / "worker.lock").read_text() == str(os.getpid())
        assert home_lock.is_taken(tmp_path, "worker")
    assert not home_lock.is_taken(tmp_path, "worker")


def test_orphans_of_a_dead_holder_are_waited_for_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is inherited, so it outlives the process that the file names."""
    monkeypatch.setattr(home_lock, "ORPHANS_SECONDS", 0.3)
    holder = pause(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "worker.lock").write_text(str(ended.pid))
    with pytest.raises(ConfigurationError, match=f"process {ended.pid}"):
        home_lock.take(tmp_path, "worker")
    holder.kill()
    holder.wait()
    home_lock.take(tmp_path, "worker").close()
