"""Contact state: what Mailjet should hold for one contact, what it last confirmed, and the difference.

Merging is last-writer-wins per property by message time, so the result does not depend on the order in which
messages come, nor on how often. Of two values of the same time the one later in JSON order wins: any rule
would do that does not look at the order of arrival.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from jetbridge.mailjet.actions import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB

#: A list's wish: the action, and when it was asked for (ms).
ListWish = tuple[str, int]


#: What is wished for a contact whose users have another address: be on the list no more.
LEFT = "left"

#: What Mailjet holds of a list when the answer to a call about it was lost.
UNKNOWN = "unknown"

#: `Desired.gone`: to be deleted at Mailjet once the new address of its users has taken over ...
MOVING = 1
#: ... now, remembering only who wants no mail ...
MOVED = 2
#: ... or now, remembering nothing.
FORGOTTEN = 3


#: Users of one address who are remembered, and when an address was named that has more of them: it is never left.
MOST_USERS = 1_000
ALWAYS = 2**53


class Desired(msgspec.Struct, omit_defaults=True, gc=False):
    """`values` with None for a cleared property. `time` (ms) is when they were said, except those in
    `older`, which keep a time of their own: most calls send all traits, so one time serves them all.
    """

    time: int = 0
    values: dict[str, Any] = {}
    older: dict[str, int] = {}
    lists: dict[int, ListWish] = {}
    #: Wishes for lists that are not there; taken up again as soon as one is named again.
    parked: dict[int, ListWish] = {}
    #: Since when the person wants no mail at all (ms; 0: not so): a complaint, an unsubscribe from everything.
    opted_out: int = 0
    #: Since when the address is known not to exist (ms; 0: not so). A person who moves leaves this behind.
    bounced: int = 0
    #: Users whose calls made this contact, and when each of them last spoke (ms).
    users: dict[str, int] = {}
    #: Former addresses of its users, which this contact takes over and which leave their lists.
    takes_over: list[str] = []
    #: Lists that somebody once unsubscribed it from, so that a later `remove` does not forget it.
    unsubscribed: list[int] = []
    #: 0, or one of MOVING, MOVED and FORGOTTEN: the contact is to be deleted at Mailjet.
    gone: int = 0
    #: The address that its last user moved to, and when that was said (ms).
    moved_to: str = ""
    moved_at: int = 0
    #: When a call without a userId last named the address (ms).
    named_at: int = 0

    @property
    def has_left(self) -> bool:
        """Its users have another address, and nobody else has named it since."""
        return bool(self.moved_to) and not self.users and self.named_at <= self.moved_at

    @property
    def is_to_go(self) -> bool:
        return self.gone == FORGOTTEN or (self.gone == MOVED and self.has_left)

    def unsubscribed_from(self, list_id: int) -> bool:
        """Whether it has ever said so, even if something else was asked for since."""
        return bool(self.opted_out or self.bounced or list_id in self.unsubscribed)

    def merge(self, values: dict[str, Any], time: int) -> None:
        """Take values said at `time`. Any order of calls gives the same result."""
        if time > self.time:
            self._age(values)
            self.values.update(values)
            self.time = time
            return
        for name, value in values.items():
            if self._wins(name, value, time):
                self.values[name] = value
                if time != self.time:
                    self.older[name] = time
                else:
                    self.older.pop(name, None)

    def merge_all(self, other: "Desired") -> None:
        """Take everything another contact state holds."""
        for name, value in other.values.items():
            self.merge({name: value}, other.older.get(name, other.time))
        for list_id, (action, time) in other.lists.items():
            self.ask(list_id, action, time)
        for list_id, wish in other.parked.items():
            if list_id in self.lists:
                self.ask(list_id, *wish)
            else:
                self.parked[list_id] = max(
                    wish, self.parked.get(list_id, wish), key=lambda each: _rank(*each)
                )
        self.unsubscribed = sorted({*self.unsubscribed, *other.unsubscribed})
        self.opted_out = max(self.opted_out, other.opted_out)

    def actions(self) -> dict[int, str]:
        """What is wished for each list, with regard to consent: who opted out is subscribed again by a later
        addforce only. A former address leaves them, but for those it unsubscribed from.
        """
        if not (self.opted_out or self.bounced or self.moved_to):
            return {list_id: action for list_id, (action, _) in self.lists.items()}
        return {list_id: self._action(*wish) for list_id, wish in self.lists.items()}

    def _action(self, action: str, time: int) -> str:
        refused = max(self.opted_out, self.bounced)
        if refused and (action == ADDNOFORCE or (action == ADDFORCE and time <= refused)):
            return UNSUB
        return LEFT if self.has_left and action in {ADDNOFORCE, ADDFORCE} else action

    def ask(self, list_id: int, action: str, time: int) -> None:
        """Wish an action on a list. What was asked for explicitly (addforce, unsub, remove) beats the plain
        addnoforce of every Identify, whenever that comes; within each kind the last wish wins.
        """
        if action == UNSUB and list_id not in self.unsubscribed:
            self.unsubscribed.append(list_id)
        if self.parked and (parked := self.parked.pop(list_id, None)):
            self.ask(list_id, *parked)
        known = self.lists.get(list_id)
        if known is None or _rank(action, time) > _rank(*known):
            self.lists[list_id] = (action, time)

    def park(self, list_id: int) -> None:
        """Wish nothing of a list that is not there. What was wished is not forgotten: it may come back."""
        if wish := self.lists.pop(list_id, None):
            self.parked[list_id] = wish

    @property
    def is_off_all_lists(self) -> bool:
        """Its properties are nobody's concern, and there is no list by way of which to tell them."""
        return self.has_left or {action for action, _ in self.lists.values()} <= {REMOVE}

    def refusals(self) -> "Desired":
        """Only who wants no mail, and where its users are."""
        return Desired(
            lists=self._unsubscribes(self.lists),
            parked=self._unsubscribes(self.parked),
            unsubscribed=self.unsubscribed,
            opted_out=self.opted_out,
            bounced=self.bounced,
            moved_to=self.moved_to,
            moved_at=self.moved_at,
            named_at=self.named_at,
        )

    def _unsubscribes(self, wishes: dict[int, ListWish]) -> dict[int, ListWish]:
        return {
            list_id: (UNSUB, time)
            for list_id, (action, time) in wishes.items()
            if action == UNSUB or (action == REMOVE and list_id in self.unsubscribed)
        }

    def move(self, email: str, time: int, *, delete: bool) -> None:
        """Its last user has another address since `time`; then it may be deleted."""
        if (time, email) > (self.moved_at, self.moved_to):
            self.moved_to, self.moved_at = email, time
        if self.gone != FORGOTTEN:
            self.gone = MOVING if delete else 0

    def take_over(self, former: Iterable[str], own: str) -> None:
        """Remember former addresses of the one at `own`, until their unsubscribes were looked up."""
        self.takes_over += [each for each in former if each != own and each not in self.takes_over]

    def said_by(self, user_id: str | None, time: int) -> None:
        """Somebody named the address, of whom it is the address now."""
        if user_id is None:
            self.named_at = max(self.named_at, time)
            return
        self.users[user_id] = max(time, self.users.get(user_id, time))
        if len(self.users) > MOST_USERS:  # nobody's own address; it is written with every call
            self.users.pop(min(self.users, key=self._spoke))
            self.named_at = ALWAYS

    @property
    def last_user(self) -> str | None:
        """The one who spoke last, in whatever order the calls came."""
        return max(self.users, key=self._spoke, default=None)

    def _spoke(self, user_id: str) -> tuple[int, str]:
        return self.users[user_id], user_id

    def _age(self, values: dict[str, Any]) -> None:
        """Give the values that the next merge does not touch the time they were said at."""
        older = self.older
        if not self.values.keys() <= values.keys():
            for name in self.values:
                if name not in older:
                    older[name] = self.time
        if older:
            for name in values:
                older.pop(name, None)

    def _wins(self, name: str, value: Any, time: int) -> bool:
        if name not in self.values:
            return True
        known_time = self.older.get(name, self.time)
        return time > known_time or (time == known_time and _order(value) > _order(self.values[name]))


def _rank(action: str, time: int) -> tuple[bool, int, str]:
    return (action != ADDNOFORCE, time, action)


def _order(value: Any) -> bytes:
    return msgspec.json.encode(value)


class Delivered(msgspec.Struct, omit_defaults=True, gc=False):
    """What Mailjet confirmed, in the values as they were wished; `aside` are values it will not take."""

    values: dict[str, Any] = {}
    aside: dict[str, Any] = {}
    lists: dict[int, str] = {}
    name: str | None = None
    #: Properties that a call named whose answer was lost: nobody knows which value they have.
    doubted: list[str] = []

    def doubt(self, told: "Delivered") -> None:
        """Mailjet was told this, and nobody knows whether it took it."""
        self.doubted = sorted({*self.doubted, *told.values})
        self.lists.update(dict.fromkeys(told.lists, UNKNOWN))

    def take(self, sent: "Delivered") -> None:
        """Mailjet confirmed what was sent."""
        self.values.update(sent.values)
        for name in self.aside.keys() & sent.values.keys():
            del self.aside[name]
        self.aside.update(sent.aside)
        self.lists.update(sent.lists)
        if sent.name is not None:
            self.name = sent.name
        if self.doubted:
            self.doubted = [name for name in self.doubted if not (name in sent.values or name in sent.aside)]


class Change(msgspec.Struct, gc=False):
    """What a reconcile has to say to Mailjet about one contact."""

    values: dict[str, Any]
    lists: dict[int, str]
    name: str | None


def difference(desired: Desired, delivered: Delivered) -> Change | None:
    """What is to be said so that delivered becomes desired; None if nothing."""
    lists = {
        list_id: REMOVE if action == LEFT else action
        for list_id, action in desired.actions().items()
        if not _settled(action, delivered.lists.get(list_id))
    }
    if desired.is_off_all_lists:
        return Change({}, lists, None) if lists else None
    values = _news(desired.values, delivered)
    wished_name = contact_name(desired.values)
    name = wished_name if wished_name != delivered.name else None
    return Change(values, lists, name) if values or lists or name is not None else None


def _news(wished: dict[str, Any], delivered: Delivered) -> dict[str, Any]:
    """The values that Mailjet does not hold, as far as is known, and that it has not refused."""
    held, aside, doubted = delivered.values, delivered.aside, delivered.doubted
    if not (held or aside or doubted):
        return {name: value for name, value in wished.items() if value is not None}
    # `same` of what is held is written out: this is asked of every value of every contact.
    return {
        name: value
        for name, value in wished.items()
        if not (
            (known := held.get(name)) is value
            or (known == value and type(known) is type(value))
            or (name in aside and same(aside[name], value))
        )
        or name in doubted
    }


def fully_delivered(desired: Desired) -> Delivered:
    """What Mailjet holds once it took everything as it was wished. Shares its values with `desired`."""
    return Delivered(values=desired.values, lists=desired.actions(), name=contact_name(desired.values))


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: True is not 1, and 1 is not 1.0. A property that was never set equals a cleared one."""
    return one is other or (one == other and type(one) is type(other))


def _settled(action: str, confirmed: str | None) -> bool:
    """Plain addnoforce leaves a known subscription as it is, so there is nothing to say to a list that has one."""
    if action == ADDNOFORCE:
        return confirmed in {ADDFORCE, ADDNOFORCE, UNSUB}
    if action == LEFT:
        return confirmed in {None, REMOVE}
    return action == confirmed


def contact_name(values: dict[str, Any]) -> str | None:
    """The contact's Name: the trait `name`, else first and last name (Segment fills in the full name so)."""
    name = values.get("name")
    if isinstance(name, str) and name:
        return name
    parts = [
        values.get("firstname") or values.get("first_name"),
        values.get("lastname") or values.get("last_name"),
    ]
    return " ".join(part for part in parts if isinstance(part, str)) or None


encode = msgspec.json.Encoder().encode
decode_desired = msgspec.json.Decoder(Desired).decode
decode_delivered = msgspec.json.Decoder(Delivered).decode
