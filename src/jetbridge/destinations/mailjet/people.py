"""People: the address known for a userId at one account, and back from an address to the userId."""

from collections.abc import Iterable

import msgspec

from jetbridge.destinations.mailjet import queries, state
from jetbridge.destinations.mailjet.contacts import load_contacts
from jetbridge.destinations.mailjet.state import Desired

#: Former addresses kept per user, so that all of them can be forgotten.
FORMER_KEPT = 100


class Person:
    """The address known for a userId, or what waits for it to become known; and the addresses before it."""

    __slots__ = ("_left", "changed", "email", "email_time", "former", "user_id", "waiting")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.email: str | None = None
        self.email_time = 0
        self.waiting: Desired | None = None
        self.former: list[str] = []
        self._left: list[str] = []
        self.changed = False

    def said_address(self, email: str, time: int) -> None:
        """The last address said wins; of two said at once, the later in the alphabet."""
        if self.email is not None and (time, email) <= (self.email_time, self.email):
            if email != self.email and email not in self.former:  # it comes late, and was the user's before
                self._leave(email)
            return
        if self.email is not None and self.email != email:
            self._leave(self.email)
        if self.email != email or time > self.email_time:
            self.email, self.email_time, self.changed = email, time, True

    def _leave(self, email: str) -> None:
        self._left.append(email)
        self.changed = True

    def settle_addresses(self) -> list[str]:
        """The addresses that the user has left in this batch, in whatever order they were said."""
        left = [email for email in dict.fromkeys(self._left) if email != self.email]
        if self._left:
            kept = [each for each in self.former if each != self.email and each not in left]
            self.former = [*kept, *left][-FORMER_KEPT:]
        return left


def load_people(account: int, user_ids: Iterable[str]) -> dict[str, Person]:
    people = {}
    for user_id, email, email_time, waiting, former in queries.rows_of_keys(
        queries.PEOPLE, account, user_ids
    ):
        person = people[user_id] = Person(user_id)
        person.email, person.email_time = email, email_time
        person.former = msgspec.json.decode(former) if former else []
        person.waiting = state.decode_desired(waiting) if waiting else None
    return people


def save_people(account: int, people: Iterable[Person]) -> None:
    queries.insert(
        queries.SAVE_PERSON,
        [
            (
                account,
                person.user_id,
                person.email,
                person.email_time,
                state.encode(person.waiting) if person.waiting else None,
                msgspec.json.encode(person.former) if person.former else None,
            )
            for person in people
            if person.changed
        ],
    )


def user_ids(account: int, emails: Iterable[str]) -> dict[str, str]:
    """The userId that came with Identify, by (normalised) address; the last one where there were several.

    Promise 8: it goes back on that person's email events.
    """
    contacts = load_contacts(account, set(emails))
    return {email: user for email, contact in contacts.items() if (user := contact.desired.last_user)}
