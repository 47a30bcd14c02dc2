"""The compiler of audiences finds whom the oracle finds, and foresees by time no less than the oracle does.

A comparison is one profile at one moment: its membership, and the moment at which the compiler wants to look again.
"""

from tests.engage.compiled import World as CompilerWorld
from tests.engage.compiled import WorldEvent, evaluate
from tests.engage.oracle import Json, Profile, changes, truth, turns
from tests.engage.worlds import RETENTION, START, Case, cases
from tests.fuzz import PURE, fuzz

from jetbridge.engage.definition import parse_definition
from jetbridge.engage.dialect import NEVER

PROFILES, MOMENTS = 8, 2


def compiler_world(profiles: list[Profile]) -> CompilerWorld:
    events = [(number, each) for number, profile in enumerate(profiles) for each in profile.events]
    events.sort(key=lambda each: each[1].seq)
    keys = {key for profile in profiles for key in profile.audiences}
    return CompilerWorld(
        traits={number: profile.traits for number, profile in enumerate(profiles)},
        events=[WorldEvent(number, each.name, each.ts, each.properties) for number, each in events],
        members={key: [n for n, profile in enumerate(profiles) if key in profile.audiences] for key in keys},
    )


def must_be_exact(node: Json) -> bool:
    """Whether a lower bound is not good enough: of one leaf without a choice of moments."""
    node = node.get("not", node)
    if "event" in node:
        return "between" not in node and node.get("count", [">="])[0] != "="
    return "trait" in node or "audience" in node


@fuzz(PURE, per_run=PROFILES * MOMENTS, case=cases(profiles=PROFILES, moments=MOMENTS))
def test_the_compiler_finds_whom_the_oracle_finds(case: Case) -> None:
    profiles = list(case.world.profiles.values())
    world, definition = compiler_world(profiles), parse_definition(case.definition, retention_ms=RETENTION)
    states = [truth(case.definition, each, RETENTION) for each in profiles]
    possible = [turns(case.definition, each, RETENTION) for each in profiles]
    later = [list(changes(case.definition, each, RETENTION, START)) for each in profiles]
    edges = sorted({turn + step for each in possible for turn in each for step in (-1, 0, 1) if turn > START})
    moments = [
        START,
        *(edges[choice % len(edges)] if edges else START + choice for choice in case.choices[1:]),
    ]

    for now in moments:
        found = evaluate(world, definition, now, retention_ms=RETENTION)
        for number, is_member in enumerate(states):
            member, flip_at = found[number].member, found[number].flip_at
            assert member == is_member(now), f"profile {number} at {now}"
            change = next((each for each in later[number] if each > now), NEVER)
            assert now < flip_at <= change, (
                f"profile {number} at {now} flips at {flip_at}, changes at {change}"
            )
            assert flip_at == NEVER or flip_at in possible[number], f"nothing turns at {flip_at}"
            if must_be_exact(case.definition):
                assert flip_at == change, f"profile {number} at {now}"
