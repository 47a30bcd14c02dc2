"""What is loaded through dlt: Parquet files, and a real PostgreSQL. `test_contract` has the rules of tables, for files as well."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from tests import postgres

from jetbridge.errors import PauseError, TransientError
from jetbridge.integrations.warehouse import dlt_runner
from jetbridge.integrations.warehouse.database import InvalidURL
from jetbridge.integrations.warehouse.dlt_database import Dlt
from jetbridge.integrations.warehouse.dlt_places import DltPlace, parse_dlt_url
from jetbridge.integrations.warehouse.erase import erase
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.spec.message import Message, decode, encode
from jetbridge.spec.person import Identity

from .conftest import Warehouse, identify, open_dlt_postgres, open_files, track

LOADED = ("files", "dlt_postgres")
Parameters = dict[str, str | int]


@pytest.fixture(params=LOADED)
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return cast(Warehouse, request.getfixturevalue(f"{request.param}_warehouse"))


def place_of(url: str) -> DltPlace:
    place = parse_dlt_url(urlsplit(url), Path)
    assert place
    return place


def test_values_arrive_as_they_are_and_what_does_not_fit_is_kept(warehouse: Warehouse) -> None:
    text = 'a"b,\n\\N\t€ \U0001f600 '
    first = track("A", {"text": "", "n": 2**63 - 1, "ok": True, "at": "2026-01-02T03:04:05.678901+02:00"})
    warehouse.load(
        first, track("A", {"text": text, "f": -0.1, "ok": "yes", "日": 1, "list": [1, {"a": None}]})
    )
    assert warehouse.columns("a").items() >= {
        ("text", "text"), ("n", "integer"), ("ok", "boolean"), ("at", "timestamp"), ("f", "float"), ("list", "text")
    }  # fmt: skip
    columns = "text, n, ok, f, list, \"at\" AT TIME ZONE 'UTC'"
    assert [tuple(map(str, row)) for row in warehouse.rows("a", columns)] == [
        ("", str(2**63 - 1), "True", "None", "None", "2026-01-02 01:04:05.678901"),
        (text, "None", "None", "-0.1", '[1,{"a":null}]', "None"),
    ]
    assert warehouse.rejected() == [
        ("a", "ok", '"yes"', "the column is of type boolean"),
        ("a", "日", "1", "nothing is left of the name"),
    ]


def test_people_are_as_the_latest_call_has_them_and_integers_become_floats(warehouse: Warehouse) -> None:
    warehouse.load(
        identify({"age": 40, "plan": "x", "score": 1}, at=2), identify({"score": 2}, user_id="bob")
    )
    warehouse.load(
        identify({"age": None, "score": 0.5}, at=3), identify({"plan": "old", "town": "Ulm"}, at=1)
    )
    assert warehouse.rows("users", "id, age, plan, score, town") == [
        ("ann", None, "x", 0.5, "Ulm"),
        ("bob", None, None, 2.0, None),
    ]
    assert warehouse.columns("users")["score"] == "float"


def test_a_call_that_comes_again_changes_nothing(warehouse: Warehouse) -> None:
    call = track("A", {"n": 1, "日": "x"})
    warehouse.load(call)
    result = warehouse.load(call, track("A", {"n": 2}, message_id="other"))
    assert {str(table): rows for table, rows in result.rows.items()} == {"web.tracks": 1, "web.a": 1}
    assert sorted(warehouse.rows("a", "n")) == [(1,), (2,)]
    assert len(warehouse.rejected()) == 1


def test_a_person_leaves_every_table_and_nobody_else_does(warehouse: Warehouse) -> None:
    warehouse.load(
        track("A", {"日": "hers", "note": 1}, message_id="a1"),
        identify({"age": 40}),
        track("A", {"日": "kept"}, user_id="bob", message_id="a2"),
        identify({"email": "Eve@Example.org "}, user_id="x1"),
        track("B", {"日": ["eve@example.org"]}, user_id="x2"),
    )
    rows = erase(warehouse.database, ["web"], Identity.of(["ann"], ["eve@example.org"]))
    assert {str(table): number for table, number in rows.items()} == {
        "web.tracks": 1, "web.a": 1, "web.identifies": 2, "web.users": 2, "web._rejected_values": 2
    }  # fmt: skip
    assert warehouse.rows("a", "id") == [("a2",)]
    assert [row[2] for row in warehouse.rejected()] == ['"kept"']
    assert not erase(warehouse.database, ["web"], Identity.of(["ann"], ["eve@example.org"]))
    warehouse.load(identify({"plan": "new"}))
    assert "age" not in warehouse.columns("users") or warehouse.rows("users", "age") == [(None,)]


#: Loads messages and is killed at a call of the function that is named.
_KILLED = """
import os, signal, sys
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit
from jetbridge.integrations.warehouse.dlt_database import Dlt
from jetbridge.integrations.warehouse.dlt_places import parse_dlt_url
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.spec.message import decode

bodies, folder, url, module, owner, method, calls = sys.argv[1:]
left = int(calls)
owner = getattr(import_module(module), owner)
original = getattr(owner, method)

def counted(*arguments, **named):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return original(*arguments, **named)

setattr(owner, method, counted)
database = Dlt(parse_dlt_url(urlsplit(url), Path), Path(folder), lambda: ["127.0.0.1"] if "@" in url else [])
load(database, [Arrival("web", decode(body)) for body in Path(bodies).read_bytes().split(b"\\n")])
"""
_STATE = ("jetbridge.integrations.warehouse.dlt_state", "State", "complete")
_FILE = ("dlt.destinations.impl.filesystem.filesystem", "FilesystemLoadJob", "run")
_MERGE = ("dlt.destinations.sql_jobs", "SqlMergeFollowupJob", "generate_sql")


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("engine", "where", "calls"),
    [("files", _FILE, 1), ("files", _STATE, 0), ("dlt_postgres", _MERGE, 1)],
)
def test_whenever_it_is_killed_every_id_is_there_once(
    engine: str, where: tuple[str, str, str], calls: int, postgres_server: postgres.Server, tmp_path: Path
) -> None:
    if engine == "files":
        url, warehouse = f"filesystem://{tmp_path}/files", open_files(tmp_path / "files", tmp_path / "state")
    else:
        parameters = postgres_server.parameters(postgres_server.create_database())
        url = f"dlt+postgresql://postgres:se%20cret%2F1@127.0.0.1:{parameters['port']}/{parameters['dbname']}"
        warehouse = open_dlt_postgres(parameters, tmp_path / "state")
    batch = [decode(encode(each)) for each in _batch()]
    (tmp_path / "bodies").write_bytes(b"\n".join(map(encode, batch)))
    command = [
        sys.executable,
        "-c",
        _KILLED,
        tmp_path / "bodies",
        tmp_path / "state",
        url,
        *where,
        str(calls),
    ]
    assert subprocess.run(command, check=False, timeout=200).returncode == -signal.SIGKILL
    warehouse.load(*batch[:5])
    warehouse.load(*batch[3:])
    assert warehouse.rows("tracks", "id") == [(f"t{number}",) for number in range(4)]
    assert warehouse.rows("a", "n") == [(number,) for number in range(4)]
    assert warehouse.rows("identifies", "id") == [(f"i{number}",) for number in range(4)]
    assert warehouse.rows("users", "id, seen") == [("ann", 3)]
    assert len(warehouse.rejected()) == 4
    assert not list((tmp_path / "state").glob("run"))


def _batch() -> list[Message]:
    calls: list[Message] = []
    for number in range(4):
        calls += [
            track("A", {"n": number, "日": number}, message_id=f"t{number}"),
            identify({"seen": number}, message_id=f"i{number}", at=number),
        ]
    return calls


#: Loads a call while it writes down whom the process talks to.
_WATCHED = """
import sys
talk = []
CALLS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}
sys.addaudithook(lambda event, arguments: talk.append((event, str(arguments))) if event in CALLS else None)
from pathlib import Path
from urllib.parse import urlsplit
from jetbridge.integrations.warehouse.dlt_database import Dlt
from jetbridge.integrations.warehouse.dlt_places import parse_dlt_url
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.spec.message import decode
assert not {"dlt", "pyarrow"} & sys.modules.keys(), "they are imported when they are needed"
url, folder, body = sys.argv[1:]
load(Dlt(parse_dlt_url(urlsplit(url), Path), Path(folder)), [Arrival("web", decode(body.encode()))])
from dlt.common.runtime import anon_tracker
assert anon_tracker._ANON_TRACKER_ENDPOINT is None
assert "dlt" in sys.modules
print(talk)
"""


def test_it_talks_to_nobody_else_and_leaves_nothing_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    url, body = f"filesystem://{tmp_path}/files", encode(track("A")).decode()
    result = subprocess.run(
        [sys.executable, "-c", _WATCHED, url, tmp_path / "state", body],
        capture_output=True, text=True, cwd=home, timeout=200,
        env={**os.environ, "HOME": str(home), "RUNTIME__DLTHUB_TELEMETRY": "true"},
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout == "[]\n"
    assert not result.stderr
    assert list(home.iterdir()) == []
    assert len(open_files(tmp_path / "files", tmp_path / "state").rows("a")) == 1


def test_the_folder_is_nobody_elses_and_holds_no_secret(
    postgres_server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = postgres_server.parameters(postgres_server.create_database())
    warehouse = open_dlt_postgres(parameters, tmp_path / "state")
    remains: list[str] = []
    remove = shutil.rmtree

    def look(folder: Path | str, **options: Any) -> None:
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        remains.extend(path.read_bytes().decode(errors="replace") for path in files)
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", look)
    warehouse.load(track("A", {"n": 1}))
    assert any("tracks" in text for text in remains)
    secret = str(parameters["password"])
    assert not [text for text in remains if secret in text or "se%20cret" in text]
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    assert {path.suffix for path in (tmp_path / "state").iterdir()} == {"", ".sqlite"}


class TestWhatFails:
    def test_a_wrong_password_is_said_and_not_shown(
        self, postgres_server: postgres.Server, tmp_path: Path, caplog: Any, capfd: Any
    ) -> None:
        parameters: Parameters = {**postgres_server.parameters(), "password": "wr%ng s3cret"}
        warehouse = open_dlt_postgres(parameters, tmp_path / "state")
        with pytest.raises(PauseError, match=r"refuses the login.*password authentication failed") as caught:
            warehouse.load(track("A"))
        assert caught.value.code == "INVALID_AUTHENTICATION"
        output = capfd.readouterr()
        for text in (str(caught.value), caplog.text, output.out, output.err, repr(warehouse.database)):
            assert "s3cret" not in text

    def test_a_server_that_is_down_is_tried_again(self, tmp_path: Path) -> None:
        parameters: Parameters = {"password": "s3cret", "port": 1, "dbname": "d"}
        warehouse = open_dlt_postgres(parameters, tmp_path / "state")
        with pytest.raises(TransientError, match="cannot be loaded at the moment") as caught:
            warehouse.load(track("A"))
        assert caught.value.code == "WAREHOUSE_UNAVAILABLE"
        with pytest.raises(TransientError, match="cannot be loaded at the moment"):
            cast(Dlt, warehouse.database).try_out("connection_test")

    @pytest.mark.parametrize(
        ("missing", "command"),
        [("dlt", "jetbridge[dlt]"), ("pyarrow", "jetbridge[dlt]"), ("s3fs", "dlt[s3]")],
    )
    def test_a_missing_extra_is_named(
        self, missing: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(folder: Path) -> None:
            raise ModuleNotFoundError(name=missing)

        monkeypatch.setattr(dlt_runner, "_import_dlt", fail)
        database = Dlt(place_of("s3://KEY:SECRET@bucket/x"), tmp_path / "state")
        with pytest.raises(PauseError, match=f"run `pip install '{command}'`".replace("[", r"\[")) as caught:
            load(database, [Arrival("web", track("A"))])
        assert caught.value.code == "EXTRA_MISSING"

    def test_a_table_that_somebody_altered_holds_up_itself_alone(
        self, dlt_postgres_warehouse: Warehouse
    ) -> None:
        warehouse = dlt_postgres_warehouse
        warehouse.load(track("A", {"n": 1}, message_id="m1"))
        warehouse.run("ALTER TABLE web.a ALTER COLUMN n TYPE boolean USING n > 0")
        result = warehouse.load(track("A", {"n": 2}, message_id="m2"), track("B", message_id="m3"))
        assert list(result.waiting) == [0]
        assert {str(table) for table in result.problems} == {"web.a"}
        assert warehouse.rows("b", "id") == [("m3",)]
        warehouse.run("ALTER TABLE web.a ALTER COLUMN n TYPE bigint USING n::int")
        warehouse.load(track("A", {"n": 2}, message_id="m2"))
        assert warehouse.rows("a", "id, n") == [("m1", 1), ("m2", 2)]
        assert len(warehouse.rows("tracks")) == 3

    def test_what_somebody_has_locked_is_not_waited_for_without_end(
        self, dlt_postgres_warehouse: Warehouse
    ) -> None:
        warehouse = dlt_postgres_warehouse
        with cast(Dlt, warehouse.database)._runner()._client("web") as client:
            values = [
                client.sql_client.execute_sql(f"SHOW {name}_timeout")[0][0] for name in ("lock", "statement")
            ]
        assert values == ["2s", "4min"]
        assert dlt_runner.CALL_SECONDS > 240

    def test_without_its_state_it_learns_the_columns_and_merges_by_id(
        self, postgres_server: postgres.Server, tmp_path: Path
    ) -> None:
        parameters = postgres_server.parameters(postgres_server.create_database())
        call = track("A", {"n": 1}, message_id="m1")
        open_dlt_postgres(parameters, tmp_path / "lost").load(call)
        warehouse = open_dlt_postgres(parameters, tmp_path / "new")
        warehouse.load(call, track("A", {"n": "text"}, message_id="m2"))
        assert warehouse.rows("a", "id, n") == [("m1", 1), ("m2", None)]
        assert [row[2] for row in warehouse.rejected()] == ['"text"']
        assert sum(erase(warehouse.database, ["web"], Identity.of(["ann"], [])).values()) == 5

    def test_two_processes_do_not_load_at_once(self, files_warehouse: Warehouse) -> None:
        with (
            files_warehouse.database.transaction([]),
            pytest.raises(TransientError, match="Another process"),
        ):
            files_warehouse.load(track("A"))


def test_a_connection_is_tried_out_by_a_row_that_goes_again(warehouse: Warehouse, tmp_path: Path) -> None:
    cast(Dlt, warehouse.database).try_out("connection_test_1")
    query = "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'connection%'"
    assert warehouse.run(query) == []
    assert not list((tmp_path / "files").glob("*"))


def test_dlt_stores_a_schema_when_it_has_changed_and_no_other_rows(dlt_postgres_warehouse: Warehouse) -> None:
    warehouse = dlt_postgres_warehouse
    warehouse.load(track("A", {"n": 1}), identify({"age": 1}))
    for _ in range(2):
        warehouse.load(track("A", {"n": 1}))
    tables = warehouse.run(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'web' ORDER BY 1"
    )
    assert [name for (name,) in tables] == [
        "_dlt_loads",
        "_dlt_version",
        "a",
        "identifies",
        "tracks",
        "users",
    ]
    assert warehouse.run("SELECT count(*) FROM web._dlt_version") == [(1,)]
    assert warehouse.run("SELECT count(*) FROM web_staging.a") == [(0,)]
    assert not [name for name in warehouse.columns("a") if "_dlt" in name]


@pytest.mark.parametrize(
    ("url", "destination", "host"),
    [
        ("filesystem:///data/lake", "filesystem", ""),
        ("s3://KEY:SE%2FCRET@bucket/a/b?region=eu-west-1", "filesystem", ""),
        ("s3://KEY:SECRET@bucket?endpoint=https://minio.internal:9000", "filesystem", "minio.internal"),
        ("gs://bucket/a", "filesystem", ""),
        ("az://ACCOUNT:KEY@container/a", "filesystem", ""),
        ("dlt+postgresql://u:s3cret@db.internal/shop?sslmode=require", "postgres", "db.internal"),
        ("redshift://u:s3cret@cluster.example/shop", "redshift", "cluster.example"),
        ("clickhouse://u:s3cret@ch.example:9440/shop?http_port=8443&secure=1", "clickhouse", "ch.example"),
        ("mssql://u:s3cret@db.example/shop?TrustServerCertificate=yes", "mssql", "db.example"),
        ("snowflake://u:s3cret@org-account/shop?warehouse=WH&role=R", "snowflake", ""),
        (
            "databricks://token:T@adb.example/main?http_path=/sql/1.0/warehouses/a",
            "databricks",
            "adb.example",
        ),
        ("motherduck://token:T@shop", "motherduck", ""),
        ("bigquery://project?location=EU", "bigquery", ""),
    ],
)
def test_a_url_names_a_place_and_shows_no_secret(url: str, destination: str, host: str) -> None:
    place = place_of(url)
    assert (place.destination, place.host) == (destination, host)
    assert "@" not in place.location
    assert not [secret for secret in place.secrets if secret in place.location]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mssql://u:p@h/d?driver=/tmp/evil.so", "There is no option 'driver'"),
        ("snowflake://u:p@a/d?private_key_path=/etc/passwd", "There is no option 'private_key_path'"),
        ("dlt+postgresql://u:p@h/d?sslkey=/etc/passwd", "There is no option 'sslkey'"),
        ("dlt+postgresql://u:p@h,other/d", "It looks like this"),
        ("dlt+postgresql://u@h/d", "It looks like this"),
        ("s3://bucket/a", "It looks like this: s3://KEY:SECRET@bucket"),
        ("s3://K:S@bucket?endpoint=https:///x", "The option endpoint is the address"),
        ("snowflake://u:p@-a%2Fb/d", "It looks like this"),
        ("databricks://token:T@h/c", "http_path"),
        ("filesystem://host/x", "three slashes"),
        ("bigquery://p?location=E%20U", "The option location cannot be"),
    ],
)
def test_what_is_no_place_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(InvalidURL, match=reason.replace("?", r"\?")):
        place_of(url)


def test_google_needs_a_key_and_the_key_is_a_secret() -> None:
    place = place_of("bigquery://project")
    assert place.needs_key
    key = {"project_id": "p", "client_email": "a@b", "private_key": "-----BEGIN-----"}
    assert place.with_key(json.dumps(key)).secrets == ["-----BEGIN-----"]
