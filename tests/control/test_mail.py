"""Mail over a real socket: what arrives, who logs in, and what a person is told when it does not arrive."""

from dataclasses import replace
from email import message_from_string
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from jetbridge.control import mail
from jetbridge.errors import TransientError


@pytest.fixture
def configured(home: Path, mail_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    config = replace(settings.CONFIG, smtp_url=urlsplit(mail_server.url), smtp_from="bridge@example.com")
    monkeypatch.setattr(settings, "CONFIG", config)
    return mail_server


def test_a_mail_arrives(configured: Any) -> None:
    assert mail.send(["a@example.com", "b@example.com"], "Held:\r\nBcc: x", "It is held.\nÄ.") == ""
    (text,) = configured.mails
    message = message_from_string(text)
    assert (message["from"], message["to"]) == ("bridge@example.com", "a@example.com, b@example.com")
    assert (message["subject"], message["bcc"]) == ("Held: Bcc: x", None)
    assert message.get_payload(decode=True) == "It is held.\r\nÄ.\r\n".encode()
    assert configured.logins == ["\0me\0pass word"]


def test_who_is_refused_is_named(configured: Any) -> None:
    configured.refused = "a@example.com"
    assert mail.send(["a@example.com", "b@example.com"], "x", "y") == "a@example.com: 550 nobody here"
    with pytest.raises(TransientError, match=r"a@example\.com: 550 nobody here"):
        mail.send(["a@example.com"], "x", "y")


def test_a_password_goes_to_nobody_in_plain(configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "_HERE", set())
    with pytest.raises(TransientError, match="has no STARTTLS, and the password is not sent in plain"):
        mail.send(["a@example.com"], "x", "y")
    assert configured.logins == []


def test_a_server_that_is_not_there_is_named(configured: Any, free_port: Any, monkeypatch: Any) -> None:
    nobody = replace(settings.CONFIG, smtp_url=urlsplit(f"smtp://me:secret@127.0.0.1:{free_port()}"))
    monkeypatch.setattr(settings, "CONFIG", nobody)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1 did not take the mail") as caught:
        mail.send(["a@example.com"], "x", "y")
    assert "secret" not in str(caught.value)


def test_without_a_server_the_variable_is_named(home: Path) -> None:
    assert not mail.is_configured()
    with pytest.raises(TransientError, match="JETBRIDGE_SMTP_URL"):
        mail.send(["a@example.com"], "x", "y")
