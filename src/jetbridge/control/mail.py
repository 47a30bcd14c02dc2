"""Mail to people, over the server that JETBRIDGE_SMTP_URL names: alerts, invitations, links to a new password.

One message per call and connection: it is rare, and the answer is wanted at once.
"""

import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from smtplib import SMTP, SMTP_SSL, SMTPException
from urllib.parse import SplitResult, unquote

from django.conf import settings

from jetbridge.errors import TransientError

TIMEOUT_SECONDS = 10.0
#: To these a password may go without TLS: it does not leave the machine.
_HERE = {"localhost", "127.0.0.1", "::1"}


def is_configured() -> bool:
    return settings.CONFIG.smtp_url is not None


def send(to: Sequence[str], subject: str, text: str) -> str:
    """Hand the message over; what the server said of those that it refused, "" if it took all.

    Blocks, 10 s per step. Raises TransientError with a sentence for a person, which names no password.
    """
    url: SplitResult | None = settings.CONFIG.smtp_url
    if url is None:
        raise TransientError("NO_MAIL_SERVER", "No mail server is configured: set JETBRIDGE_SMTP_URL.")
    try:
        with _connect(url) as server:
            rejected = server.send_message(_message(to, subject, text))
    except (SMTPException, OSError, UnicodeError) as error:
        raise TransientError(
            "MAIL_NOT_SENT", f"{url.hostname} did not take the mail: {_words(error)}"
        ) from None
    return "; ".join(
        f"{email}: {status} {_plain(response)}" for email, (status, response) in rejected.items()
    )


def _connect(url: SplitResult) -> SMTP:
    host, context = url.hostname or "", ssl.create_default_context()
    if url.scheme == "smtps":
        server: SMTP = SMTP_SSL(host, url.port or 465, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = SMTP(host, url.port or 587, timeout=TIMEOUT_SECONDS)
    try:
        _make_safe(server, url, context)
    except BaseException:
        server.close()
        raise
    return server


def _make_safe(server: SMTP, url: SplitResult, context: ssl.SSLContext) -> None:
    """STARTTLS where there is one, then log in if the address names a user."""
    server.ehlo()
    safe = url.scheme == "smtps" or url.hostname in _HERE
    if url.scheme == "smtp" and server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()
        safe = True
    if url.username:
        if not safe:
            raise SMTPException("it has no STARTTLS, and the password is not sent in plain.")
        server.login(unquote(url.username), unquote(url.password or ""))


def _message(to: Sequence[str], subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender = settings.CONFIG.smtp_from
    message["To"] = ", ".join(to)
    message["Subject"] = " ".join(subject.split())[:200]
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")  # not every server takes 8 bits
    return message


def _words(error: Exception) -> str:
    rejected = getattr(error, "recipients", None)
    if rejected:
        return "; ".join(
            f"{email}: {status} {_plain(response)}" for email, (status, response) in rejected.items()
        )
    response = getattr(error, "smtp_error", None)
    return f"{getattr(error, 'smtp_code', '')} {_plain(response)}" if response else str(error)[:200]


def _plain(response: bytes | str) -> str:
    text = response.decode(errors="replace") if isinstance(response, bytes) else response
    return " ".join(text.split())[:200]
