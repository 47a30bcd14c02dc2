"""Explanations agree with memberships, whatever the definition, and every definition can be said in words."""

import sqlite3
from contextlib import closing

from tests.engage.compiled import TABLES, evaluate, load_world
from tests.engage.test_against_oracle import compiler_world
from tests.engage.worlds import RETENTION, START, Case, cases
from tests.fuzz import PURE, fuzz

from jetbridge.engage import dialect
from jetbridge.engage.definition import leaves, parse_definition
from jetbridge.engage.explaining import Explanation, Moment
from jetbridge.engage.explaining import explain_node as explain
from jetbridge.engage.wording import NOBODY, definition_text

PROFILES = 6


@fuzz(PURE, per_run=PROFILES, case=cases(profiles=PROFILES, moments=1))
def test_an_explanation_holds_for_members_and_for_no_others(case: Case) -> None:
    profiles = list(case.world.profiles.values())
    world, definition = compiler_world(profiles), parse_definition(case.definition, retention_ms=RETENTION)
    members = evaluate(world, definition, START, retention_ms=RETENTION)
    with closing(sqlite3.connect(":memory:")) as connection:
        dialect.prepare(connection)
        connection.executescript(TABLES)
        load_world(connection, world)
        explained = explain(
            connection, definition, list(range(len(profiles))), Moment(START, since=0, retention_ms=RETENTION)
        )
    for number, membership in members.items():
        explanation = explained[number]
        assert explanation.is_met == membership.member
        conditions = list(conditions_of(explanation))
        assert [part for part in conditions if part.text != NOBODY] or not list(leaves(definition))
        # Whoever reads only the reasons finds each among the conditions, and none that does not decide.
        assert set(explanation.why) <= {reason for part in conditions for reason in part.why}
        assert explanation.why
    text = definition_text(definition)
    assert text
    assert all(part.text in text for part in conditions)


def conditions_of(explanation: Explanation) -> list[Explanation]:
    if explanation.kind == "condition":
        return [explanation]
    return [condition for part in explanation.parts for condition in conditions_of(part)]
