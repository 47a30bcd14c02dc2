"""The engine, given random definitions and news in any order, finds whom the oracle finds at each moment, and sends each change once.

News come late, twice, from the future, and from people who log in only later. Definitions change, clocks tick to where a window
ends, and the engine dies between two turns.
"""

import itertools
import json
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.engage.bench import EngageBench, moment
from tests.engage.computed_oracle import as_sent, is_equal, is_same, value_of, with_computed
from tests.engage.computed_oracle import turns as computed_turns
from tests.engage.oracle import Event, Json, Profile, truth, turns
from tests.engage.worlds import RETENTION, Vocabulary
from tests.fuzz import Effort, fuzz

from jetbridge.engage.models import Computation

#: Comparisons of one person's membership or value at one moment.
COMPARED = Effort(10_000, 200_000)
#: About so many are in one trial.
PER_TRIAL = 500
USERS, DEVICES, ROUNDS = ("u0", "u1", "u2", "u3"), ("d0", "d1", "d2", "d3"), 6
BASE, FURTHER, COMPUTED = ("vip", "30_day_active", "it's"), ("a0", "a1"), ("c0", "c1")


@dataclass
class Person:
    """What the engine should know of somebody."""

    traits: dict[str, Json] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def set(self, traits: dict[str, Json], at: int) -> None:
        for name, new in traits.items():
            if at >= self.times.get(name, at):
                self.times[name] = at
                self.traits[name] = new


class Trial:
    def __init__(self, bench: EngageBench, random: Random) -> None:
        self.bench, self.random = bench, random
        self.words = Vocabulary(random)
        self.words.keys = list(COMPUTED)
        self.people: dict[str, Person] = {}
        #: Events of devices at which nobody has logged in.
        self.devices: defaultdict[str, list[Event]] = defaultdict(list)
        self.owners: dict[str, str] = {}
        #: With the times of their events.
        self.messages: list[tuple[int, dict[str, Any]]] = []
        self.seq = itertools.count()
        self.rows: dict[str, Computation] = {}
        #: Each comes after those that it refers to.
        self.definitions: dict[str, Json] = {}
        for key in COMPUTED:
            self.definitions[key] = self.words.computed()
        for key in (*BASE, *FURTHER):
            self.definitions[key] = self.audience(key)

    def audience(self, key: str) -> Json:
        while True:
            definition = self.words.node(self.random.choice((0, 1, 2)))
            if key in FURTHER or '"audience"' not in json.dumps(definition):
                return definition

    def run(self) -> None:
        # Without a window, so that no event goes that a later definition looks at.
        self.bench.define("everything", {"event": self.words.names[0]}, sends=False)
        for key in self.random.sample(list(self.definitions), len(self.definitions)):
            self.rows[key] = self.bench.define(key, self.definitions[key])
        for _ in range(ROUNDS):
            for _ in range(self.random.choice((0, 1, 3, 8))):
                self.news()
            self.bench.run()
            self.compare()
            self.bench.now = self.moment()
            self.bench.run()
            self.compare()
            kind = self.random.random()
            if kind < 0.2:
                self.redefine()
            elif kind < 0.6:
                self.die()
        self.bench.run()
        self.compare()
        self.check_calls()

    def die(self) -> None:
        """In the middle of work: after the commit of a round, or of what it sends."""
        for _ in range(self.random.choice((1, 3))):
            self.news()
        for _ in range(self.random.randrange(3)):
            self.bench.engine.turn()
        self.bench.crash()

    # ---- what comes in

    def news(self) -> None:
        kind = self.random.random()
        user, device = self.random.choice(USERS), self.random.choice(DEVICES)
        ago = self.words.age() if self.random.random() < 0.7 else self.random.choice((0, -self.words.age()))
        kept = [message for ts, message in self.messages if ts > self.bench.now - RETENTION]
        if kind < 0.1 and kept:
            self.bench.send(**self.random.choice(kept))  # the same once more
            return
        if kind < 0.5:
            self.happened({"user_id": user}, ago)
        elif kind < 0.65:
            self.happened({"anonymous_id": device}, ago)
        elif kind < 0.8:
            if self.owners.setdefault(device, user) == user:
                self.identified({"user_id": user, "anonymous_id": device}, {}, 0)
                person = self.people[user]
                person.events += self.devices.pop(device, [])
        else:
            self.identified({"user_id": user}, self.words.fields(), max(0, ago))

    def happened(self, ids: dict[str, str], ago: int) -> None:
        name, properties = self.random.choice(self.words.names), self.words.fields()
        now = self.bench.now
        message = {"event": name, "properties": properties, "timestamp": moment(now - ago), **ids}
        event = Event(name, min(now, now - ago), properties, next(self.seq))
        self.messages.append((event.ts, {**message, "message_id": self.bench.send(**message)}))
        if device := ids.get("anonymous_id"):
            owner = self.owners.get(device)
            (self.people[owner].events if owner else self.devices[device]).append(event)
        else:
            self.people.setdefault(ids["user_id"], Person()).events.append(event)

    def identified(self, ids: dict[str, str], traits: dict[str, Json], ago: int) -> None:
        self.bench.send("identify", traits=traits, ago=ago, **ids)
        self.people.setdefault(ids["user_id"], Person()).set(traits, self.bench.now - ago)

    def redefine(self) -> None:
        key = self.random.choice([*BASE, *FURTHER, *COMPUTED])
        self.definitions[key] = self.words.computed() if key in COMPUTED else self.audience(key)
        self.bench.change(self.rows[key], self.definitions[key])

    def moment(self) -> int:
        """Where something ends, or near it."""
        now, edges = self.bench.now, set()
        for person in self.people.values():
            profile = Profile(person.traits, person.events)
            for definition in self.definitions.values():
                if "computed" in definition:
                    edges |= computed_turns(definition, person.events, RETENTION)
                else:
                    edges |= turns(definition, profile, RETENTION)
        later = sorted(edge + step for edge in edges for step in (-1, 0, 1) if edge + step > now)
        return self.random.choice(later[:20]) if later else now + self.random.choice((1, 1_000, 86_400_000))

    # ---- what came of it

    def expected(self, user: str) -> dict[str, Json]:
        person, now = self.people[user], self.bench.now
        profile = Profile(
            {name: each for name, each in person.traits.items() if each is not None}, person.events
        )
        computed = {key: self.definitions[key] for key in COMPUTED}
        values: dict[str, Json] = {
            key: value_of(each, person.events, RETENTION, now) for key, each in computed.items()
        }
        profile = with_computed(profile, computed, RETENTION, now)
        for keys in (BASE, FURTHER):
            audiences = frozenset(key for key in BASE if values.get(key))
            profile = Profile(profile.traits, profile.events, audiences)
            for key in keys:
                values[key] = truth(self.definitions[key], profile, RETENTION)(now)
        return values

    def compare(self) -> None:
        self.compare_sizes()
        members = {key: self.bench.members(key) for key in (*BASE, *FURTHER)}
        stored = {key: self.bench.written(key) for key in COMPUTED}
        for user in self.people:
            for key, each in self.expected(user).items():
                if key in COMPUTED:
                    written = stored[key].get(user, "0" if self.is_count(key) else "null")
                    assert is_same(written, each), f"{key} of {user}: {written} is not {each!r}"
                else:
                    assert (user in members[key]) == each, f"{key} of {user}"

    def compare_sizes(self) -> None:
        sizes = dict(self.bench.query("SELECT key, size FROM definition"))
        for key in (*BASE, *FURTHER):
            assert sizes[key] == len(self.bench.members(key)), key
        for key in COMPUTED:
            nothing = {"0", "null"} if self.is_count(key) else {"null"}
            assert sizes[key] == sum(each not in nothing for each in self.bench.written(key).values()), key

    def is_count(self, key: str) -> bool:
        return self.definitions[key]["computed"] in {"event_counter", "unique_list_count"}

    def check_calls(self) -> None:
        """Each change once, in order, and the last one is what is true."""
        sent: defaultdict[tuple[str, str], list[Json]] = defaultdict(list)
        times: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        for call in self.bench.calls():
            ((key, new),) = (call.traits or {}).items()
            assert call.user_id, "nobody else is known"
            sent[call.user_id, key].append(new)
            times[call.user_id, key].append(call.timestamp)
        for user in self.people:
            for key, each in self.expected(user).items():
                values = sent[user, key]
                assert not any(itertools.starmap(is_equal, itertools.pairwise(values))), values
                assert all(one < other for one, other in itertools.pairwise(times[user, key]))
                nothing = False if key not in COMPUTED else 0 if self.is_count(key) else None
                last = values[-1] if values else nothing
                assert is_equal(last, as_sent(each)), f"{key} of {user}: {values}, {each!r}"


def trials(random: Random) -> int:
    return random.getrandbits(48)


@fuzz(COMPARED, per_run=PER_TRIAL, seed=trials)
def test_the_engine_finds_whom_the_oracle_finds_and_sends_each_change_once(
    bench: EngageBench, seed: int
) -> None:
    bench.begin_anew()
    Trial(bench, Random(seed)).run()
