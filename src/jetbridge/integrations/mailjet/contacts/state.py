"""Contact state: what Mailjet should hold for one contact, what it last confirmed, and the difference.

Merging is last-writer-wins per property by message time, so the result does not depend on the order in which
messages come, nor on how often. Of two values of the same time the one later in JSON order wins: any rule
would do that does not depend on the order of arrival.
"""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from enum import IntEnum
from typing import Any

import msgspec

from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB

#: An action on a list, and when it was requested (ms).
ListAction = tuple[str, int]

#: The action that takes a contact off a list, because its users have another address or an audience has lost it.
OFF_LIST = "off_list"

#: No action on a list, where the consent of a call cannot be read. Its properties are sent.
KEEP = "keep"

#: What Mailjet has of a list when the response to a call about it was lost.
UNKNOWN = "unknown"

#: Why Engage adds an address to no list.
UNSUBSCRIBED, EXCLUDED, BOUNCED = "UNSUBSCRIBED", "EXCLUDED", "BOUNCED"
UNREADABLE_CONSENT, FORMER_ADDRESS = "UNREADABLE_CONSENT", "FORMER_ADDRESS"

#: Users of one address who are remembered, and when an address was named that has more of them: it is never left.
MOST_USERS = 100
ALWAYS = 2**53


class DeletionState(IntEnum):
    """Whether the contact is to be deleted at Mailjet."""

    NONE = 0
    #: Once the new address of its users has taken over its unsubscribes.
    AFTER_ADDRESS_CHANGE = 1
    #: Now, remembering only who wants no mail.
    ADDRESS_CHANGED = 2
    #: Now, remembering nothing.
    ERASED = 3


class Computed(msgspec.Struct, omit_defaults=True, gc=False):
    """What Engage sent of one person. The last value counts; times in ms."""

    #: By property: since when it has which value; None for a cleared one.
    values: dict[str, tuple[int, Any]] = {}
    #: By audience (`addition_key`): since when the person is a member, or is none, and the list to which it adds members.
    added: dict[str, tuple[int, bool, int]] = {}
    #: Lists that follow an audience: since when the person is a member of it, or is none.
    followed: dict[int, tuple[int, bool]] = {}

    @property
    def time(self) -> int:
        """Of the last value."""
        return max((time for time, _ in self.values.values()), default=0)

    def end_additions(self, keys: AbstractSet[str], lists: AbstractSet[int], joined: Collection[int]) -> bool:
        """See `Desired.end_additions`."""
        is_changed = False
        for key, (since, is_member, list_id) in self.added.items():
            is_ours = key.partition(":")[0].isdecimal()
            if is_member and is_ours and key not in keys:
                self.added[key] = since, False, list_id
                is_changed = True
        for list_id, (since, is_member) in self.followed.items():
            if is_member and list_id not in lists and list_id not in joined:
                self.followed[list_id] = since, False
                is_changed = True
        return is_changed

    def merge(self, other: "Computed") -> None:
        for name, value in other.values.items():
            known = self.values.get(name)
            if known is None or value[0] > known[0] or _timed_order(value) > _timed_order(known):
                self.values[name] = value
        for key, member in other.added.items():
            self.added[key] = max(member, self.added.get(key, member))
        for list_id, follower in other.followed.items():
            self.followed[list_id] = max(follower, self.followed.get(list_id, follower))


def addition_key(key: str, destination: int | None) -> str:
    """Two destinations may add the members of an audience to lists of one account. None: Segment's Engage sent it."""
    return f"{destination or ''}:{key}"


class Profile(msgspec.Struct, omit_defaults=True, gc=False):
    """The values and list actions of one owner of a contact: a user, or the calls that name an address without a userId.

    `values` with None for a cleared property. `time` (ms) is that of the calls which set them, except those in
    `older`, which keep a time of their own: most calls send all traits, so one time serves them all.
    """

    time: int = 0
    values: dict[str, Any] = {}
    older: dict[str, int] = {}
    lists: dict[int, ListAction] = {}
    #: Actions for lists that are not there; applied again as soon as one is named again.
    parked: dict[int, ListAction] = {}
    #: When a call unsubscribed from a list first (ms): what counts for an address that the owner left since.
    first_unsub: dict[int, int] = {}
    #: What Engage sent of the user without naming an address.
    computed: Computed | None = None

    def merge(self, values: dict[str, Any], time: int) -> None:
        """Take the values of a call at `time` (ms). Any order of calls gives the same result."""
        if time > self.time:
            older = self.older
            if not self.values.keys() <= values.keys():  # those that stay keep their time
                for name in self.values:
                    if name not in older:
                        older[name] = self.time
            if older:
                for name in values:
                    older.pop(name, None)
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

    def merge_all(self, other: "Profile") -> None:
        """Take everything another profile holds."""
        if self.values or self.time > other.time:
            for name, value in other.values.items():
                self.merge({name: value}, other.time_of(name))
        else:
            self.time, self.values, self.older = other.time, dict(other.values), dict(other.older)
        for list_id, (action, time) in other.lists.items():
            self.apply_list_action(list_id, action, time)
        for list_id, list_action in other.parked.items():
            if list_id in self.lists:
                self.apply_list_action(list_id, *list_action)
            else:
                parked = self.parked.get(list_id, list_action)
                self.parked[list_id] = max(list_action, parked, key=lambda action: _rank(*action))
        for list_id, time in other.first_unsub.items():
            self.first_unsub[list_id] = min(time, self.first_unsub.get(list_id, time))
        if other.computed:
            self.compute(other.computed)

    def compute(self, computed: Computed) -> None:
        """Take what Engage sent of the user."""
        if self.computed is None:
            self.computed = Computed()
        self.computed.merge(computed)

    def apply_list_action(self, list_id: int, action: str, time: int) -> None:
        """Apply an action to a list. What was requested explicitly (addforce, unsub, remove) beats the plain
        addnoforce of every Identify, whenever that comes, and any of them beats KEEP; within each kind the last
        action wins.
        """
        if self.parked and (parked := self.parked.pop(list_id, None)):
            self.apply_list_action(list_id, *parked)
        known = self.lists.get(list_id)
        if known is None or _rank(action, time) > _rank(*known):
            self.lists[list_id] = (action, time)

    def park(self, list_id: int) -> None:
        """Keep the action for a list that is not there apart: the list may come back."""
        if list_action := self.lists.pop(list_id, None):
            self.parked[list_id] = list_action

    def unsubscribes(self, until: int = ALWAYS) -> dict[int, int]:
        """Lists that calls of the owner had unsubscribed from until then (ms), and when first."""
        return {list_id: time for list_id, time in self.first_unsub.items() if time <= until}

    def follow(self, list_id: int, to: int, *, is_forced: bool) -> None:
        """Apply the action of this list to another one. `is_forced`: its addforce was done already."""
        if list_action := self.lists.get(list_id):
            action, time = list_action
            self.apply_list_action(to, ADDNOFORCE if is_forced and action == ADDFORCE else action, time)

    def time_of(self, name: str) -> int:
        """Of the call that set a value (ms)."""
        return self.older.get(name, self.time)

    def after(self, time: int) -> "Profile":
        """Only what was set after `time` (ms), and every unsubscribe."""
        kept = {name: value for name, value in self.values.items() if self.time_of(name) > time}
        return Profile(
            self.time,
            kept,
            {name: at for name, at in self.older.items() if name in kept},
            {list_id: list_action for list_id, list_action in self.lists.items() if list_action[1] > time},
            {list_id: list_action for list_id, list_action in self.parked.items() if list_action[1] > time},
            self.first_unsub,
        )

    def take(self) -> "Profile":
        """All of it; nothing stays."""
        taken = Profile(
            self.time, self.values, self.older, self.lists, self.parked, self.first_unsub, self.computed
        )
        self.time, self.values, self.older, self.lists, self.parked, self.first_unsub = 0, {}, {}, {}, {}, {}
        self.computed = None
        return taken

    def copy(self) -> "Profile":
        copy = Profile()
        copy.merge_all(self)
        return copy

    def _wins(self, name: str, value: Any, time: int) -> bool:
        if name not in self.values:
            return True
        known_time = self.time_of(name)
        return time > known_time or (time == known_time and _order(value) > _order(self.values[name]))


class Desired(Profile, omit_defaults=True, gc=False):
    """What Mailjet should hold at one address: the profiles of all its owners merged, and what is the address's
    own. Nearly every address has one owner, whose profile is this and is stored nowhere else.
    """

    #: Since when the person wants no mail at all (ms; 0: not so): a complaint, an unsubscribe from everything.
    opted_out: int = 0
    #: Since when the address is known not to exist (ms; 0: not so). A person who moves leaves this behind.
    bounced: int = 0
    #: Users whose address this is, and when they last named it (ms).
    users: dict[str, int] = {}
    #: Former addresses of its users: this contact takes over their unsubscribes, and they leave their lists.
    superseded: list[str] = []
    #: Lists that somebody once unsubscribed it from, so that a later `remove` does not forget it.
    unsubscribed: list[int] = []
    deletion: DeletionState = DeletionState.NONE
    #: When a call without a userId last named the address (ms).
    named_at: int = 0
    #: Users who have another address now: since when (ms), and which. "" stands for one whose userId is not known.
    left: dict[str, tuple[int, str]] = {}
    #: Lists that the address itself is unsubscribed from, since when (ms): as Mailjet reported, or by users who left.
    address_unsubscribes: dict[int, int] = {}
    #: Whether several owners have a profile apart: those of users are in their rows (`contact.Person`) ...
    is_apart: bool = False
    #: ... and this is the profile of the calls without a userId.
    anonymous: Profile | None = None
    #: What Engage sent of this address, by the userId that its calls named ("" without one). It stays with the address.
    computed_here: dict[str, Computed] = {}
    #: Lists to which Engage has added the address, as Mailjet confirmed: when the job that did it began (ms); 0 for a call, before
    #: which it was looked up that the address was not there.
    joined: dict[int, int] = {}

    @property
    def left_at(self) -> int:
        """When the last of those who left did so (ms)."""
        return max(self.left.values())[0] if self.left else 0

    @property
    def moved_to(self) -> str:
        """The address of the last who left."""
        return max(self.left.values())[1] if self.left else ""

    @property
    def is_superseded(self) -> bool:
        """Its users have another address, and nobody else has named it since."""
        return bool(self.left) and not self.users and self.named_at <= self.left_at

    @property
    def pending_deletion(self) -> bool:
        if not self.deletion:  # nearly always
            return False
        return self.deletion is DeletionState.ERASED or (
            self.deletion is DeletionState.ADDRESS_CHANGED and self.is_superseded
        )

    @property
    def is_crowded(self) -> bool:
        """Nobody's own address: too many users named it. Their profiles stay merged."""
        return self.named_at == ALWAYS

    def is_own_of(self, user_id: str) -> bool:
        """Whether nobody else has named the address."""
        users = self.users
        return not (self.is_apart or self.named_at) and (not users or (len(users) == 1 and user_id in users))

    def unsubscribed_from(self, list_id: int) -> bool:
        """Whether it was ever unsubscribed from the list, even if another action followed."""
        return bool(self.opted_out or self.bounced or list_id in self.unsubscribed)

    def actions(self, engage: dict[int, str] | None = None) -> dict[int, str]:
        """The action for each list, with regard to consent: who opted out is subscribed again by a later
        addforce only. A former address leaves them, but for those it unsubscribed from. `engage`: its
        `engage_actions`, if they are known.
        """
        if not (self.opted_out or self.bounced or self.left):
            actions = {list_id: action for list_id, (action, _) in self.lists.items() if action != KEEP}
        else:
            actions = {
                list_id: self._action(*list_action)
                for list_id, list_action in self.lists.items()
                if list_action[0] != KEEP
            }
        return actions | (self.engage_actions() if engage is None else engage)

    def _action(self, action: str, time: int) -> str:
        if not (self.opted_out or self.bounced or self.left):
            return action
        no_mail_since = max(self.opted_out, self.bounced)
        if no_mail_since and (action == ADDNOFORCE or (action == ADDFORCE and time <= no_mail_since)):
            return UNSUB
        return OFF_LIST if self.is_superseded and action in {ADDNOFORCE, ADDFORCE} else action

    # ---- Engage

    def compute_here(self, user_id: str | None, computed: Computed) -> None:
        """Take what Engage sent of this address and user."""
        key = user_id or ""
        if key not in self.computed_here and len(self.computed_here) >= MOST_USERS:
            key = ""
        self.computed_here.setdefault(key, Computed()).merge(computed)

    def hides_computed(self, user_id: str | None) -> bool:
        """Whether the address is other users' now, so that it does not get what was computed for this one."""
        if not self.users or self.is_crowded or user_id is None:
            return False
        return user_id not in self.users

    @property
    def present(self) -> Profile:
        """The profile of its present users, with what Engage sent of the address and them: the last value counts."""
        if not (self._has_engage and self.is_contact):
            return self
        values, older = dict(self.values), dict(self.older)
        for name, (time, value) in self.present_computed.values.items():
            if self._wins(name, value, time):
                values[name], older[name] = value, time
        return Profile(self.time, values, older)

    @property
    def present_values(self) -> dict[str, Any]:
        """Those of `present`, without their times. Not to be changed."""
        if not self._has_engage:
            return self.values
        if self.values:
            return self.present.values
        computed = self.present_computed.values  # known by Engage alone, as all are of a first sync
        return {name: value for name, (_, value) in computed.items()} if self.is_contact else {}

    @property
    def present_computed(self) -> Computed:
        """What Engage sent of the address and its present users. Not to be changed."""
        if self.computed is None and len(self.computed_here) == 1:  # as most are: computed for one user
            ((user_id, computed),) = self.computed_here.items()
            return Computed() if self.hides_computed(user_id or None) else computed
        parts = [
            computed for user, computed in self.computed_here.items() if not self.hides_computed(user or None)
        ]
        if self.computed:
            parts.append(self.computed)
        merged = Computed()
        for computed in parts:
            merged.merge(computed)
        return merged

    @property
    def is_contact(self) -> bool:
        """Whether somebody else than Engage named the address, who has not left it, or Engage adds it to a list."""
        if self.is_superseded:
            return False
        if self.users or self.named_at or self.values:
            return True
        # An address with no other action than UNSUB is known for its opt-out alone.
        if self.lists and any(action != UNSUB for action, _ in self.lists.values()):
            return True
        return bool(self._has_engage and self._adding_lists(self.present_computed))

    @property
    def adding_obstacle(self) -> str:
        """Why Engage adds the address to no list; "" for no reason. Whoever unsubscribes later stays on other lists."""
        if self.is_superseded:
            return FORMER_ADDRESS
        if self.opted_out:
            return EXCLUDED
        if self.bounced:
            return BOUNCED
        if not (self.lists or self.parked):  # known by Engage alone, as most are that it adds
            return ""
        for lists in (self.lists, self.parked):
            for list_id, (action, _) in lists.items():
                if self._is_unsubscribe(list_id, action):
                    return UNSUBSCRIBED
        return UNREADABLE_CONSENT if any(action == KEEP for action, _ in self.lists.values()) else ""

    def can_join(self, list_id: int) -> bool:
        """Whether Engage would add the address to this list: it has no action, and nothing is in the way."""
        has_action = list_id in self.lists or list_id in self.parked or list_id in self.engage_actions()
        return not (has_action or self.adding_obstacle)

    def engage_actions(self) -> dict[int, str]:
        """What Engage requests of lists that have no action of anybody else."""
        if not (self.computed_here or self.computed) or self.is_superseded:
            return {}
        computed = self.present_computed
        if not (computed.added or computed.followed):
            return {}
        add = self._action(ADDNOFORCE, 0)
        adding = self._adding_lists(computed)
        actions = dict.fromkeys(adding.difference(self.lists, self.parked), add)
        if not computed.followed:
            return actions
        may_join = self.is_contact and not self.adding_obstacle
        for list_id, (_, is_member) in computed.followed.items():
            if list_id in self.lists or list_id in self.parked or list_id in actions:
                continue
            if not is_member:
                if list_id in self.joined:
                    actions[list_id] = OFF_LIST
            elif may_join or list_id in self.joined:
                actions[list_id] = add
        return actions

    @property
    def _all_computed(self) -> list[Computed]:
        return [*([self.computed] if self.computed else []), *self.computed_here.values()]

    def end_additions(self, keys: AbstractSet[str], lists: AbstractSet[int]) -> bool:
        """Add nobody for an activation that is over: `keys` of additions and `lists` are those of the present ones. Who was added
        stays. False if there is nothing to end.
        """
        ended = [computed.end_additions(keys, lists, self.joined) for computed in self._all_computed]
        return any(ended)

    def follow_members(self, list_id: int, to: int) -> None:
        """Members whom Engage adds to a list that is gone are added to another one."""
        for computed in self._all_computed:
            for key, (time, is_member, added) in computed.added.items():
                if added == list_id:
                    computed.added[key] = time, is_member, to

    def take_joined(self, sent: dict[int, str], *, already_on: Collection[int], job_at: int) -> None:
        """Mailjet confirmed what was sent of lists, by a job that began then (ms; 0: by a call). Somebody else put the address
        on those that it was `already_on`.
        """
        engage = self.engage_actions()
        for list_id, action in sent.items():
            if action == REMOVE:
                self.joined.pop(list_id, None)
            elif action == ADDNOFORCE and list_id in engage and list_id not in already_on:
                self.joined.setdefault(list_id, job_at)

    @property
    def followed_lists(self) -> AbstractSet[int]:
        """Lists that follow audiences, whether or not the address is in them."""
        return self.present_computed.followed.keys() if self._has_engage else frozenset()

    def _adding_lists(self, computed: Computed) -> set[int]:
        """Lists to which Engage has added the address, or is to, by its `present_computed`. Whoever is no member any more
        stays.
        """
        if not computed.added:
            return set()
        may_join = not self.adding_obstacle
        return {
            list_id
            for _, is_member, list_id in computed.added.values()
            if list_id in self.joined or (is_member and may_join)
        }

    def park(self, list_id: int) -> None:
        super().park(list_id)
        lists = self.present_computed
        if list_id in lists.followed or any(list_id == added for _, _, added in lists.added.values()):
            self.parked.setdefault(list_id, (KEEP, 0))

    @property
    def named_lists(self) -> set[int]:
        """Every list that has an action."""
        return {*self.lists, *self.engage_actions()}

    def list_time(self, list_id: int) -> int:
        """When an action on a list was last requested (ms)."""
        if list_id in self.lists:
            return self.lists[list_id][1]
        lists = self.present_computed
        times = [time for time, _, added in lists.added.values() if added == list_id]
        if list_id in lists.followed:
            times.append(lists.followed[list_id][0])
        return max(times, default=self.left_at)

    @property
    def _has_engage(self) -> bool:
        return bool(self.computed or self.computed_here)

    # ---- lists and consent

    def apply_list_action(self, list_id: int, action: str, time: int) -> None:
        if action == UNSUB and list_id not in self.unsubscribed:
            self.unsubscribed.append(list_id)
        # Written out: `super()` costs more than all of this.
        if self.parked and (parked := self.parked.pop(list_id, None)):
            self.apply_list_action(list_id, *parked)
        known = self.lists.get(list_id)
        if known is None or _rank(action, time) > _rank(*known):
            self.lists[list_id] = (action, time)

    def merge_all(self, other: Profile) -> None:
        super().merge_all(other)
        self.unsubscribed += [list_id for list_id in other.first_unsub if list_id not in self.unsubscribed]

    def unsubscribe(self, list_id: int, time: int) -> None:
        """The address itself is unsubscribed, whoever uses it."""
        self.address_unsubscribes[list_id] = max(time, self.address_unsubscribes.get(list_id, time))
        self.apply_list_action(list_id, UNSUB, time)

    def carry_unsubscribe(self, list_id: int, to: int) -> None:
        """Who is unsubscribed from a list is from the one that replaces it, as soon as that has an action."""
        actions = [actions[list_id] for actions in (self.lists, self.parked) if list_id in actions]
        if to not in self.lists or not actions:
            return
        action, time = max(actions, key=lambda action: _rank(*action))
        if self._is_unsubscribe(list_id, action):
            self.apply_list_action(to, UNSUB, time)
            if list_id in self.address_unsubscribes:
                self.unsubscribe(to, self.address_unsubscribes[list_id])

    def is_off_all_lists(self, engage: dict[int, str] | None = None) -> bool:
        """Nobody needs its properties, and there is no list by way of which to send them. `engage`: its
        `engage_actions`, if they are known.
        """
        if self.is_superseded:
            return True
        if self.lists and any(action != REMOVE for action, _ in self.lists.values()):
            return False
        engage = self.engage_actions() if engage is None else engage
        return all(action == OFF_LIST for action in engage.values())

    def opt_outs(self) -> "Desired":
        """Only who wants no mail, and where its users are."""
        return Desired(
            lists=self._unsubscribes(self.lists),
            parked=self._unsubscribes(self.parked),
            unsubscribed=self.unsubscribed,
            opted_out=self.opted_out,
            bounced=self.bounced,
            left=self.left,
            named_at=self.named_at,
            address_unsubscribes=self.address_unsubscribes,
            computed_here=self.computed_here,
        )

    def inherit(self, former: "Desired") -> None:
        """Unsubscribes follow a user from a former address, whose `opt_outs` these are."""
        self.merge_all(former)
        self.unsubscribed = sorted({*self.unsubscribed, *former.unsubscribed})
        self.opted_out = max(self.opted_out, former.opted_out)

    def keep_unsubscribes(self, profile: Profile) -> None:
        """What one who leaves had unsubscribed from stays with the address."""
        for actions in (profile.lists, profile.parked):
            for list_id, (_, time) in self._unsubscribes(actions).items():
                self.unsubscribe(list_id, time)

    def _unsubscribes(self, actions: dict[int, ListAction]) -> dict[int, ListAction]:
        return {
            list_id: (UNSUB, time)
            for list_id, (action, time) in actions.items()
            if self._is_unsubscribe(list_id, action)
        }

    def _is_unsubscribe(self, list_id: int, action: str) -> bool:
        """A `remove` does not undo an earlier unsubscribe."""
        return action == UNSUB or (action == REMOVE and list_id in self.unsubscribed)

    def derive(self, profiles: Iterable[Profile]) -> None:
        """Make it of the profiles of its present users anew. Calls without a userId count if they came after the last
        user left: before, they may have been that user's.
        """
        self.take()
        for profile in profiles:
            self.merge_all(profile)
        if self.anonymous:
            self.merge_all(self.anonymous.after(self.left_at))
            for list_id, time in self.anonymous.unsubscribes().items():
                action, requested_at = self.anonymous.lists.get(list_id, (UNSUB, time))
                if not (action == ADDFORCE and requested_at > time):  # only a later addforce undoes it
                    self.unsubscribe(list_id, time)
        for list_id, time in self.address_unsubscribes.items():
            self.apply_list_action(list_id, UNSUB, time)

    def supersede(self, former: Iterable[str], own: str) -> None:
        """Remember former addresses of the one at `own`, until their unsubscribes were looked up."""
        self.superseded += [email for email in former if email != own and email not in self.superseded]

    def named_by(self, user_id: str | None, time: int) -> None:
        """Somebody named the address, of whom it is the address now."""
        if user_id is None:
            self.named_at = max(self.named_at, time)
            return
        self.users[user_id] = max(time, self.users.get(user_id, time))
        if len(self.users) > MOST_USERS:  # nobody's own address; it is written with every call
            self.users.pop(min(self.users, key=self._last_named))
            self.named_at = ALWAYS

    def leave(self, user_id: str, since: int, moved_to: str) -> None:
        """The address is this user's no more, since then (ms)."""
        if not self.is_crowded:
            self.left[user_id] = since, moved_to
            if len(self.left) > MOST_USERS:
                self.left.pop(min(self.left, key=self.left.__getitem__))

    def forget_users(self, user_ids: AbstractSet[str]) -> None:
        """Forget who left and where to, but not that somebody did."""
        for user_id in user_ids & self.left.keys():
            since, _ = self.left.pop(user_id)
            self.left[""] = max((since, ""), self.left.get("", (0, "")))
        for user_id in user_ids & self.computed_here.keys():
            del self.computed_here[user_id]

    @property
    def last_user(self) -> str | None:
        """The one who named it last, in whatever order the calls came; of an address that is only known by Engage, the one for whom
        it was computed last.
        """
        if self.users or self.is_superseded:
            return max(self.users, key=self._last_named, default=None)
        computed = {user: computed.time for user, computed in self.computed_here.items() if user}
        return max(computed, key=lambda user: (computed[user], user), default=None)

    def _last_named(self, user_id: str) -> tuple[int, str]:
        return self.users[user_id], user_id


_WEAK = {KEEP: 0, ADDNOFORCE: 1}


def _rank(action: str, time: int) -> tuple[int, int, str]:
    return (_WEAK.get(action, 2), time, action)


def _timed_order(value: tuple[int, Any]) -> tuple[int, bytes]:
    return value[0], _order(value[1])


def _order(value: Any) -> bytes:
    return msgspec.json.encode(value)


class Delivered(msgspec.Struct, omit_defaults=True, gc=False):
    """What Mailjet confirmed, in the values as they were desired; `rejected` are values that it does not accept."""

    values: dict[str, Any] = {}
    rejected: dict[str, Any] = {}
    lists: dict[int, str] = {}
    name: str | None = None
    #: Properties of a call whose response was lost: which value they have is not known.
    unconfirmed: list[str] = []

    def mark_unconfirmed(self, sent: "Delivered") -> None:
        """Note that the response to a call with `sent` was lost."""
        self.unconfirmed = sorted({*self.unconfirmed, *sent.values})
        self.lists.update(dict.fromkeys(sent.lists, UNKNOWN))

    def forget_rejected(self, names: Iterable[str]) -> None:
        """Keep rejected values of these properties only: the others are desired no longer."""
        for name in self.rejected.keys() - names:
            del self.rejected[name]

    def take(self, sent: "Delivered") -> None:
        """Mailjet confirmed what was sent."""
        self.values.update(sent.values)
        for name in self.rejected.keys() & sent.values.keys():
            del self.rejected[name]
        self.rejected.update(sent.rejected)
        self.lists.update(sent.lists)
        if sent.name is not None:
            self.name = sent.name
        if self.unconfirmed:
            self.unconfirmed = [
                name for name in self.unconfirmed if not (name in sent.values or name in sent.rejected)
            ]


class ContactUpdate(msgspec.Struct, gc=False):
    """What a reconcile has to send to Mailjet of one contact."""

    values: dict[str, Any]
    lists: dict[int, str]
    name: str | None


def difference(desired: Desired, delivered: Delivered) -> ContactUpdate | None:
    """What is to be sent so that delivered becomes desired; None if nothing."""
    engage = desired.engage_actions()  # a third of all this
    lists = {
        list_id: REMOVE if action == OFF_LIST else action
        for list_id, action in list_actions(desired, delivered, engage).items()
        if not is_satisfied(action, delivered.lists.get(list_id))
    }
    if desired.is_off_all_lists(engage):
        values = {}
        if desired.computed_here and is_at_mailjet(desired, delivered):
            # What Engage computed is the only thing that is sent of a contact on no list.
            computed = _values_off_all_lists(desired)
            confirmed = {name: value for name, value in delivered.values.items() if name in computed}
            unconfirmed = [name for name in delivered.unconfirmed if name in computed]
            known = Delivered(values=confirmed, rejected=delivered.rejected, unconfirmed=unconfirmed)
            values = _news(computed, known)
        return ContactUpdate(values, lists, None) if lists or values else None
    values = _news(desired.present_values, delivered)
    desired_name = contact_name(desired.values)
    if desired_name is None and delivered.name:
        desired_name = ""  # that of a former user, or one that was cleared
    name = desired_name if desired_name != delivered.name else None
    return ContactUpdate(values, lists, name) if values or lists or name is not None else None


def list_actions(
    desired: Desired, delivered: Delivered, engage: dict[int, str] | None = None
) -> dict[int, str]:
    """The action for each list; lists that only a former user had are taken off. `engage` as for `actions`."""
    actions = desired.actions(engage)
    if not delivered.lists.keys() <= actions.keys():
        others = (
            desired.followed_lists - desired.joined.keys()
        )  # to which somebody else has added the contact
        for list_id in delivered.lists.keys() - actions.keys():
            is_kept = list_id in others and delivered.lists[list_id] != UNKNOWN
            actions[list_id] = KEEP if is_kept else OFF_LIST
    return actions


def desired_values(desired: Desired, delivered: Delivered) -> dict[str, Any]:
    """The values that Mailjet should hold; None for those that only a former user had."""
    sent, values = delivered.values.keys() | delivered.unconfirmed, desired.present_values
    if desired.computed_here and desired.is_off_all_lists() and is_at_mailjet(desired, delivered):
        values = {**values, **_values_off_all_lists(desired)}
    return dict.fromkeys(sorted(sent - values.keys())) | values


def is_at_mailjet(desired: Desired, delivered: Delivered) -> bool:
    """Whether Mailjet has the contact, as far as is known: it was sent there, and is not to be deleted."""
    sent = any(
        action != UNSUB for action in delivered.lists.values()
    )  # who was deleted is known as unsubscribed
    return not desired.deletion and bool(delivered.values or sent)


def _values_off_all_lists(desired: Desired) -> dict[str, Any]:
    computed = desired.present_computed.values
    # Mailjet documents no way to clear a property without a list.
    return {name: value for name, (_, value) in computed.items() if value is not None}


def _news(desired: dict[str, Any], delivered: Delivered) -> dict[str, Any]:
    """The values that Mailjet does not have, as far as is known, and that it has not rejected."""
    confirmed, rejected, unconfirmed = delivered.values, delivered.rejected, delivered.unconfirmed
    if not (confirmed or rejected or unconfirmed):
        return {name: value for name, value in desired.items() if value is not None}
    # `same` of confirmed values is written out: it runs for every value of every contact.
    news = {
        name: value
        for name, value in desired.items()
        if not (
            (known := confirmed.get(name)) is value
            or (known == value and type(known) is type(value))
            or (name in rejected and same(rejected[name], value))
        )
        or name in unconfirmed
    }
    if not confirmed.keys() <= desired.keys():
        news |= {name: None for name in confirmed.keys() - desired.keys() if confirmed[name] is not None}
    if unconfirmed:
        news |= dict.fromkeys(set(unconfirmed) - desired.keys())
    return news


def fully_delivered(desired: Desired) -> Delivered:
    """What Mailjet has once it accepted everything as desired. Shares its values with `desired`."""
    name = contact_name(desired.values)
    return Delivered(values=desired.present_values, lists=desired.actions(), name=name)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: True is not 1, and 1 is not 1.0. A property that was never set equals a cleared one."""
    return one is other or (one == other and type(one) is type(other))


def is_satisfied(action: str, confirmed: str | None) -> bool:
    """Whether nothing is to be sent to a list. Plain addnoforce leaves a known subscription as it is."""
    if action == ADDNOFORCE:
        return confirmed in {ADDFORCE, ADDNOFORCE, UNSUB}
    if action == KEEP:
        return True
    if action == OFF_LIST:
        return confirmed in {None, REMOVE}
    return action == confirmed


#: The properties that make the contact's Name.
NAME_PROPERTIES = frozenset({"name", "firstname", "first_name", "lastname", "last_name"})


def contact_name(values: dict[str, Any]) -> str | None:
    """The contact's Name: the trait `name`, else first and last name (Segment fills in the full name so)."""
    if not values:
        return None
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
