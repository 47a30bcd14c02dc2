"""People: the address known for a userId at one account, and back from an address to the userId."""

from collections.abc import Iterable

import msgspec

from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.contacts.contact import load_readable
from jetbridge.integrations.mailjet.contacts.state import Profile

#: When an address was said that nobody said: a userId that is one. Before all times, so that any other comes first.
IMPLIED = -(2**62)
#: Former addresses kept per user, so that all of them can be forgotten.
FORMER_KEPT = 100


class Person:
    """The addresses known for a userId. `former` are those before the present one, and when each was named
    first and last (ms).

    `profile` is what the user has said, while no contact is this user's alone: no address is known yet, or others
    use it as well. Else the contact holds it, and this is None.
    """

    __slots__ = ("_before", "changed", "email", "email_since", "email_time", "former", "profile", "user_id")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.email: str | None = None
        #: When the address was named first and last (ms).
        self.email_since = 0
        self.email_time = 0
        self.profile: Profile | None = None
        self.former: dict[str, tuple[int, int]] = {}
        self._before: tuple[str, dict[str, int]] | None = None
        self.changed = False

    def said_address(self, email: str, time: int) -> None:
        """The last address said wins; of two said at once, the later in the alphabet."""
        if email == self.email and time >= self.email_since:
            if time > self.email_time:
                self.email_since = time if self.email_since == IMPLIED else self.email_since
                self.email_time, self.changed = time, True
            return
        if self.email is None:
            self.email, self.email_since, self.email_time, self.changed = email, time, time, True
            return
        first, last = self.former.get(email, (time, time))
        if email in self.former and first <= time <= last:
            return
        if self._before is None:
            self._before = self.email, self.departures()
        addresses = self.former | {self.email: (self.email_since, self.email_time)}
        first, last = addresses.get(email, (time, time))
        addresses[email] = time if first == IMPLIED else min(first, time), max(last, time)
        self.email = max(addresses, key=lambda each: (addresses[each][1], each))
        self.email_since, self.email_time = addresses.pop(self.email)
        self.former, self.changed = addresses, True

    def imply_address(self, email: str) -> None:
        """The userId is an address: it counts while no other is known."""
        if self.email is None:
            self.said_address(email, IMPLIED)

    def departures(self) -> dict[str, int]:
        """The former addresses, and since when each is former (ms): when another one was first named afterwards."""
        named = [since for since, _ in self.former.values()] + [self.email_since]
        return {
            email: min((since for since in named if since > last), default=last)
            for email, (_, last) in self.former.items()
        }

    def moves(self) -> tuple[dict[str, int], set[str]]:
        """`departures`, and which of them are new, if this batch changed them; in whatever order it named addresses."""
        if self._before is None:
            return {}, set()
        departures = self.departures()
        if self._before == (self.email, departures):
            return {}, set()
        return departures, departures.keys() - self._before[1].keys()

    def keep_profile(self, profile: Profile | None) -> None:
        """Take over what the user has said from the contact, or (None) leave it to the contact."""
        self.profile, self.changed = profile, True


def load_people(account: int, user_ids: Iterable[str]) -> dict[str, Person]:
    people = {}
    for user_id, email, since, time, profile, former in queries.rows_of_keys(
        queries.PEOPLE, account, user_ids
    ):
        person = people[user_id] = Person(user_id)
        person.email, person.email_time = email, time
        person.email_since = time if since is None else since
        person.former = _decode_former(former) if former else {}
        person.profile = _decode_profile(profile) if profile else None
    return people


def computed_addresses(account: int, user_ids: Iterable[str]) -> set[str]:
    """Addresses that Engage named with these users, and no other call."""
    return {email for (email,) in queries.rows_of_keys(queries.COMPUTED_ADDRESSES, account, user_ids)}


def add_computed_addresses(account: int, addresses: Iterable[tuple[str, str]]) -> None:
    """Pairs of user and address; those that are known are left alone."""
    queries.insert(queries.ADD_COMPUTED_ADDRESS, [(account, *pair) for pair in sorted(addresses)])


def save_people(account: int, people: Iterable[Person]) -> None:
    queries.insert(
        queries.SAVE_PERSON,
        [
            (
                account,
                person.user_id,
                person.email,
                person.email_since,
                person.email_time,
                state.encode(person.profile) if person.profile else None,
                state.encode(_newest(person.former)) if person.former else None,
            )
            for person in people
            if person.changed
        ],
    )


def _newest(former: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    if len(former) <= FORMER_KEPT:
        return former
    return dict(sorted(former.items(), key=lambda each: each[1][1])[-FORMER_KEPT:])


_decode_former = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode
_decode_profile = msgspec.json.Decoder(Profile).decode


def user_ids(account: int, emails: Iterable[str]) -> dict[str, str]:
    """The userId that came with Identify, by (normalised) address; the last one where there were several.

    Promise 8: it goes back on that person's email events.
    """
    contacts = load_readable(account, set(emails))
    return {email: user for email, contact in contacts.items() if (user := contact.desired.last_user)}
