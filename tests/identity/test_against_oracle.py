"""The room finds the people whom the oracle finds, wherever batches are cut."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz import IS_FUZZ
from tests.identity.oracle import Call, People
from tests.identity.streams import calls, dump, new_store, partition, resolve, small_limits

from jetbridge.identity.resolve import Limits, Resolution

EXAMPLES = settings(max_examples=3_000 if IS_FUZZ else 200)


def followed(resolutions: list[Resolution]) -> list[int | None]:
    """Of resolution message the profile that it belongs to in the end, for a caller that does what resolutions say."""
    owners: list[int | None] = []
    for resolution in resolutions:
        owners = [resolution.profile if owner in resolution.merged else owner for owner in owners]
        owners.append(resolution.profile)
    return owners


@EXAMPLES
@given(calls, small_limits, st.lists(st.integers(0, 40), max_size=5))
def test_people_are_those_of_the_oracle(taken: list[Call], limits: Limits, cuts: list[int]) -> None:
    oracle = People(limits.per_type, limits.merges, limits.identifiers)
    outcomes = [oracle.take(call) for call in taken]

    connection = new_store()
    resolutions = resolve(connection, taken, cuts=[cut for cut in cuts if cut <= len(taken)], limits=limits)

    assert [(resolution.profile, resolution.given_up) for resolution in resolutions] == [
        (outcome.profile, tuple(outcome.given_up)) for outcome in outcomes
    ]
    assert partition(connection) == oracle.partition()
    assert {owner for owner in followed(resolutions) if owner} == set(oracle.profiles)


@EXAMPLES
@given(calls, small_limits, st.lists(st.integers(0, 40), max_size=5))
def test_cuts_change_no_row_and_no_resolution(taken: list[Call], limits: Limits, cuts: list[int]) -> None:
    whole, cut, single = new_store(), new_store(), new_store()
    resolutions = resolve(whole, taken, limits=limits)
    assert resolve(cut, taken, cuts=[at for at in cuts if at <= len(taken)], limits=limits) == resolutions
    assert resolve(single, taken, cuts=range(len(taken)), limits=limits) == resolutions
    assert dump(whole) == dump(cut) == dump(single)


@EXAMPLES
@given(calls, st.lists(st.integers(0, 40), max_size=5))
def test_two_user_ids_never_share_a_profile(taken: list[Call], cuts: list[int]) -> None:
    connection = new_store()
    resolve(connection, taken, cuts=[cut for cut in cuts if cut <= len(taken)])
    for ids, _, _ in partition(connection).values():
        assert sum(kind == "user_id" for kind, _ in ids) <= 1
        assert ids


@EXAMPLES
@given(calls)
def test_resolutions_say_what_changed(taken: list[Call]) -> None:
    connection = new_store()
    known: set[int] = set()
    for call in taken:
        before, (resolution,) = partition(connection), resolve(connection, [call])
        after = partition(connection)
        assert after.keys() - before.keys() == ({resolution.profile} if resolution.created else set())
        assert before.keys() - after.keys() == set(resolution.merged)
        if resolution.profile is None or call.is_from_engage:
            assert after == before
            continue
        own = after[resolution.profile]
        former = [before[id_] for id_ in (resolution.profile, *resolution.merged) if id_ in before]
        assert own[0] == frozenset(resolution.added).union(*(ids for ids, _, _ in former))
        if not resolution.merged:
            was = former[0][1] if former else {}
            changed = {
                name for name in was.keys() | own[1].keys() if repr(was.get(name)) != repr(own[1].get(name))
            }
            assert set(resolution.traits.changed) == changed
        assert resolution.profile not in known or not resolution.created
        known |= after.keys()
