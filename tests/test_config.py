import stat
from pathlib import Path
from typing import Any

import pytest

from jetbridge import config
from jetbridge.errors import ConfigurationError


def load(home: Path, **variables: str) -> config.Config:
    return config.load({"JETBRIDGE_HOME": str(home), **{f"JETBRIDGE_{k}": v for k, v in variables.items()}})


def test_an_empty_environment_gives_the_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path / "a" / "b")
    assert (loaded.home, loaded.public_url, loaded.host, loaded.port, loaded.retention_days) == (
        tmp_path / "a" / "b",
        "http://127.0.0.1:8080",
        "127.0.0.1",
        8080,
        14,
    )


def test_the_home_and_its_secret_are_for_their_owner_only(tmp_path: Path) -> None:
    loaded = load(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "home" / "secret.key").stat().st_mode) == 0o600
    assert (tmp_path / "home" / "secret.key").read_text() == loaded.secret_key
    assert len(loaded.secret_key) == 64


@pytest.mark.parametrize(
    "name",
    [
        "state.db",
        "state.db-wal",
        "state.db-shm",
        "eventlog.db",
        "eventlog.db-wal",
        "eventlog.damaged-1.db",
        "web.lock",
    ],
)
def test_files_of_earlier_versions_become_their_owners_only(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o755)
    for file in (name, "notes.txt"):
        (tmp_path / file).touch()
        (tmp_path / file).chmod(0o644)
    load(tmp_path)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "notes.txt").stat().st_mode) == 0o644
    assert [record.getMessage() for record in caplog.records] == [
        f"Others could read {tmp_path / name}: from now on its owner only can."
    ]


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    assert load(tmp_path).secret_key == load(tmp_path).secret_key


def test_a_secret_from_the_environment_makes_no_file(tmp_path: Path) -> None:
    assert load(tmp_path, SECRET_KEY="s" * 32).secret_key == "s" * 32
    assert list(tmp_path.iterdir()) == []


def test_the_public_url_has_no_slash_at_its_end(tmp_path: Path) -> None:
    assert load(tmp_path, PUBLIC_URL="https://events.example.com/").public_url == "https://events.example.com"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "http", "JETBRIDGE_PORT: 'http' is not a whole number from 1 to 65535."),
        ("PORT", "65536", "JETBRIDGE_PORT: '65536' is not a whole number from 1 to 65535."),
        ("PORT", "-1", "JETBRIDGE_PORT: '-1' is not a whole number from 1 to 65535."),
        ("RETENTION_DAYS", "0", "JETBRIDGE_RETENTION_DAYS: '0' is not a whole number from 1 to 3650."),
        ("RETENTION_MB", "1.5", "JETBRIDGE_RETENTION_MB: '1.5' is not a whole number from 16 to 10000000."),
        (
            "PUBLIC_URL",
            "jetbridge.example.com",
            "JETBRIDGE_PUBLIC_URL: 'jetbridge.example.com' is not an address such as https://jetbridge.example.com.",
        ),
    ],
)
def test_a_wrong_value_stops_the_start_with_a_sentence(
    tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, **{name: value})
    assert str(error.value) == sentence


def test_a_wrong_secret_is_not_repeated_in_the_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, SECRET_KEY="hunter2")
    assert "hunter2" not in str(error.value)
    assert str(error.value).startswith("JETBRIDGE_SECRET_KEY: the value given is not at least 32 characters")


def test_a_spoilt_secret_file_stops_the_start_instead_of_making_another(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("short")
    with pytest.raises(ConfigurationError, match="does not hold a secret key"):
        load(tmp_path)


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path / "file" / "home")
    assert str(error.value) == f"JETBRIDGE_HOME: {tmp_path}/file/home cannot be made: Not a directory."


def test_the_secret_is_not_in_the_configurations_repr(tmp_path: Path) -> None:
    loaded: Any = load(tmp_path)
    assert loaded.secret_key not in repr(loaded)


def test_the_public_address_follows_the_port_unless_it_is_given(tmp_path: Path) -> None:
    assert load(tmp_path).public_url == "http://127.0.0.1:8080"
    assert load(tmp_path, PORT="9000").public_url == "http://127.0.0.1:9000"
    assert load(tmp_path, PORT="9000", PUBLIC_URL="https://x.example/").public_url == "https://x.example"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
        ("2001:db8::7", "http://[2001:db8::7]:8080"),
        ("bridge.internal", "http://bridge.internal:8080"),
    ],
)
def test_the_public_address_follows_the_host(tmp_path: Path, host: str, url: str) -> None:
    assert load(tmp_path, HOST=host).public_url == url


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Events.example.com:8443/x", "events.example.com"),
        ("http://[2001:db8::7]:8080", "[2001:db8::7]"),
        ("https://événements.example", "xn--vnements-90ab.example"),
    ],
)
def test_the_public_host_is_as_browsers_write_it(tmp_path: Path, url: str, host: str) -> None:
    assert load(tmp_path, PUBLIC_URL=url).public_host == host


def test_proxies_are_a_list_of_addresses_and_networks(tmp_path: Path) -> None:
    assert load(tmp_path).trusted_proxies == ()
    proxies = load(tmp_path, TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8 ::1,fd00::/8").trusted_proxies
    assert list(map(str, proxies)) == ["127.0.0.1/32", "10.0.0.0/8", "::1/128", "fd00::/8"]


@pytest.mark.parametrize("token", ["short", "with blanks in it 1", "é" * 20])
def test_a_token_that_is_none_stops_the_start_and_is_not_repeated(tmp_path: Path, token: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, METRICS_TOKEN=token)
    assert str(error.value).startswith("JETBRIDGE_METRICS_TOKEN: the value given is not at least 16 visible")
    assert "t" * 20 not in repr(load(tmp_path, METRICS_TOKEN="t" * 20))


@pytest.mark.parametrize("text", ["*", "proxy.internal", "10.0.0.1/8", "0.0.0.0/0", "::/0", ","])
def test_proxies_that_are_none_stop_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"JETBRIDGE_TRUSTED_PROXIES: .* is not a list of addresses"):
        load(tmp_path, TRUSTED_PROXIES=text)


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://u:geheim@h:x"]
)
def test_a_wrong_mail_server_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(
        ConfigurationError, match="JETBRIDGE_SMTP_URL: the value given is not an address"
    ) as caught:
        load(tmp_path, SMTP_URL=url)
    assert "geheim" not in str(caught.value)


def test_mail_comes_from_the_public_host_if_nothing_else_is_said(tmp_path: Path) -> None:
    mail = {"SMTP_URL": "smtp://u:geheim@mail.example.com:587", "PUBLIC_URL": "https://bridge.example.com"}
    loaded = load(tmp_path, **mail)
    assert loaded.smtp_from == "jetbridge@bridge.example.com"
    assert "geheim" not in repr(loaded)
    assert load(tmp_path, **mail, SMTP_FROM="ops@example.com").smtp_from == "ops@example.com"
