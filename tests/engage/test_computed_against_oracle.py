"""The compiler gives computed traits the values that the oracle finds, and audiences that speak of them the same people.

A comparison is one profile at one moment: the value or membership, and the moment at which the compiler wants to look again.
"""

import json

from tests.engage.compiled import World, evaluate, evaluate_computed, have_value
from tests.engage.computed_oracle import changes, is_same, turns, value_of, with_computed
from tests.engage.oracle import Profile, duration, truth
from tests.engage.oracle import turns as audience_turns
from tests.engage.test_against_oracle import compiler_world
from tests.engage.worlds import DAY, RETENTION, START, Case, computed_cases, referring_cases
from tests.fuzz import PURE, fuzz

from jetbridge.engage.definition import empty_value, parse_computed, parse_definition
from jetbridge.engage.dialect import NEVER

PROFILES, MOMENTS = 8, 2
#: Their value changes whenever it may; of the others only a lower bound of the moment is known.
EXACT_KINDS = {
    "event_counter", "last", "min", "max", "unique_list", "unique_list_count", "first_seen", "last_seen",
}  # fmt: skip


def moments_of(case: Case, possible: list[set[int]]) -> list[int]:
    edges = sorted({turn + step for each in possible for turn in each for step in (-1, 0, 1) if turn > START})
    return [
        START,
        *(edges[choice % len(edges)] if edges else START + choice for choice in case.choices[1:]),
    ]


def retention_of(case: Case) -> int:
    """As long as the definition looks back, in some cases: then a session loses its beginning while it goes on."""
    windows = [case.definition[name] for name in ("within", "session") if name in case.definition]
    windows += case.definition.get("between", [])
    return max(map(duration, windows), default=30 * DAY) if case.choices[0] % 4 == 0 else RETENTION


def since_of(case: Case) -> int:
    """The moment of an event, or beside it, in some cases; else all history counts."""
    times = [event.ts for profile in case.world.profiles.values() for event in profile.events]
    number, kind = divmod(case.choices[0], 4)
    return times[number % len(times)] + number % 3 - 1 if times and kind == 1 else 0


@fuzz(PURE, per_run=PROFILES * MOMENTS, case=computed_cases(profiles=PROFILES, moments=MOMENTS))
def test_a_computed_trait_has_the_value_that_the_oracle_finds(case: Case) -> None:
    profiles = list(case.world.profiles.values())
    world = compiler_world(profiles)
    retention, since = retention_of(case), since_of(case)
    definition = parse_computed(case.definition, retention_ms=retention)
    possible = [turns(case.definition, profile.events, retention) for profile in profiles]
    later = [changes(case.definition, profile.events, retention, START, since=since) for profile in profiles]
    is_exact = case.definition["computed"] in EXACT_KINDS and "between" not in case.definition

    for now in moments_of(case, possible):
        computed = evaluate_computed(world, definition, now, since=since, retention_ms=retention)
        having = have_value(world, definition, now, since=since, retention_ms=retention)
        for number, profile in enumerate(profiles):
            written, flip_at = computed[number].value, computed[number].flip_at
            expected = value_of(case.definition, profile.events, retention, now, since=since)
            assert is_same(written, expected), f"profile {number} at {now}: {written} is not {expected!r}"
            assert (number in having) == (written != empty_value(definition)), f"profile {number} at {now}"
            change = next((moment for moment in later[number] if moment > now), NEVER)
            assert now < flip_at <= change, (
                f"profile {number} at {now} flips at {flip_at}, changes at {change}"
            )
            assert flip_at == NEVER or flip_at in possible[number], f"nothing turns at {flip_at}"
            if is_exact:
                assert flip_at == change, f"profile {number} at {now} flips at {flip_at}, changes at {change}"


@fuzz(PURE, per_run=PROFILES * MOMENTS, case=referring_cases(profiles=PROFILES, moments=MOMENTS))
def test_an_audience_of_computed_traits_has_the_members_that_the_oracle_finds(case: Case) -> None:
    """The computed traits are stored before the audience is evaluated, as the engine does it."""
    profiles = list(case.world.profiles.values())
    plain = compiler_world(profiles)
    traits = {key: parse_computed(each, retention_ms=RETENTION) for key, each in case.computed.items()}
    definition = parse_definition(case.definition, retention_ms=RETENTION)
    possible = [
        audience_turns(case.definition, profile, RETENTION).union(
            *(turns(each, profile.events, RETENTION) for each in case.computed.values())
        )
        for profile in profiles
    ]

    def is_member(profile: Profile, now: int) -> bool:
        profile = with_computed(profile, case.computed, RETENTION, now)
        return truth(case.definition, profile, RETENTION)(now)

    for now in moments_of(case, possible):
        values = {
            key: evaluate_computed(plain, trait, now, retention_ms=RETENTION) for key, trait in traits.items()
        }
        stored = {key: {i: json.loads(v.value) for i, v in rows.items()} for key, rows in values.items()}
        world = World(plain.traits, plain.events, plain.members, stored)
        members = evaluate(world, definition, now, retention_ms=RETENTION)
        for number, profile in enumerate(profiles):
            expected = is_member(profile, now)
            assert members[number].member == expected, f"profile {number} at {now}"
            due = min(members[number].flip_at, *(rows[number].flip_at for rows in values.values()))
            assert due > now
            for moment in sorted(turn for turn in possible[number] if now < turn < due):
                later = is_member(profile, moment)
                assert later == expected, f"profile {number} changes at {moment}, due at {due}"
