"""Sessions in a table that says whose they are, so that a person can list and end their own.

Django's way of extending its database sessions: SESSION_ENGINE names this module.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from jetbridge.control.people import Session, User

#: `last_seen_at` is not written more often than so.
SEEN_EVERY = timedelta(minutes=1)
#: For another writer, until it is left to the next request.
WAIT_SECONDS = 0.1


class SessionStore(DatabaseSessions):
    """`address` and `user_agent` are the client's when it was seen last."""

    address = ""
    user_agent = ""
    last_seen_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc] # missing in the stubs
        if row:
            self.address, self.user_agent, self.last_seen_at = row.address, row.user_agent, row.last_seen_at
        return row

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row: Session = super().create_model_instance(data)  # type: ignore[assignment] # of get_model_class
        row.user_id = data.get(SESSION_KEY)
        row.address, row.user_agent = self.address, self.user_agent
        row.last_seen_at = self.last_seen_at or timezone.now()
        return row

    def see(self, request: HttpRequest) -> None:
        """Note that the session is used, and by what. Writes nothing: that is `note_use`, or saving."""
        self.address = (request.META.get("REMOTE_ADDR") or "")[:45]
        self.user_agent = request.headers.get("user-agent", "")[:300]
        self.last_seen_at = timezone.now()


def note_use(request: HttpRequest) -> None:
    """Write down that the request's session is used, once a minute, and whenever its address changes.

    It is in no page's way: where the files cannot be written within a moment, it is left to the next request.
    """
    store: SessionStore = request.session  # type: ignore[assignment]
    address = request.META.get("REMOTE_ADDR") or ""
    is_new = store.last_seen_at is None or timezone.now() - store.last_seen_at > SEEN_EVERY
    if is_new or store.address != address[:45]:
        store.see(request)
        with suppress(OperationalError), _waiting(WAIT_SECONDS):
            Session.objects.filter(session_key=store.session_key).update(
                address=store.address, user_agent=store.user_agent, last_seen_at=store.last_seen_at
            )


@contextmanager
def _waiting(seconds: float) -> Iterator[None]:
    """For another writer, so long at the most."""
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        try:
            yield
        finally:
            usual = connection.settings_dict["OPTIONS"]["timeout"]
            cursor.execute(f"PRAGMA busy_timeout = {int(usual * 1000)}")


def sessions_of(user: User) -> QuerySet[Session]:
    """Those that can be used now, the one seen last first."""
    return Session.objects.filter(user=user, expire_date__gt=timezone.now()).order_by("-last_seen_at")


def end_others(user: User, but: str | None) -> None:
    """End all sessions of the user but the one with this key."""
    Session.objects.filter(user=user).exclude(session_key=but or "").delete()


def reference(session: Session) -> str:
    """What a page calls a session: its key would let anybody in who reads the page."""
    return salted_hmac("jetbridge.session", session.session_key).hexdigest()
