"""Whoever is erased is in no table of people any more, and nobody else is missing."""

import pytest
from tests.identity.oracle import Call
from tests.identity.streams import dump, new_store, partition, resolve

from jetbridge.identity.erasure import erase, known
from jetbridge.spec.person import Identity

PEOPLE = (
    Call("track", 1, anonymous_id="phone"),
    Call("identify", 2, "jane", traits={"email": "Jane@x.io", "plan": "pro"}),
    Call("track", 3, "jane", anonymous_id="phone", external_ids=[("phone", "123")]),
    Call("identify", 4, "bob", traits={"email": "bob@x.io"}),
)


@pytest.mark.parametrize(
    "identity",
    [
        Identity.of(["jane"], []),
        Identity.of(["phone"], []),
        Identity.of([], ["JANE@x.io"]),
        Identity.of(["jane", "nobody"], ["jane@x.io"]),
    ],
)
def test_a_person_is_gone_by_whatever_name(identity: Identity) -> None:
    connection = new_store()
    before, jane, _, bob = resolve(connection, PEOPLE)
    names = [
        name for (name,) in connection.execute("SELECT segment_id FROM profile WHERE id = ?", (jane.profile,))
    ]
    names += [name for (name,) in connection.execute("SELECT segment_id FROM merged")]
    assert before.profile != jane.profile

    erased = erase(connection, identity)

    assert erased.profiles == [jane.profile]
    assert sorted(erased.segment_ids) == sorted(names)
    assert partition(connection).keys() == {bob.profile}
    assert not [
        line for line in dump(connection) for name in ("jane", "phone'", "123", *names) if f"'{name}" in line
    ]


def test_whoever_is_unknown_is_not_erased() -> None:
    connection = new_store()
    resolve(connection, PEOPLE)
    before = dump(connection)
    for identity in (Identity(), Identity.of(["nobody", "a\x00b", "\ud800"], ["nobody@x.io"])):
        assert erase(connection, identity) == ([], [])
    assert dump(connection) == before


def test_names_that_cannot_be_stored_hide_no_others() -> None:
    connection = new_store()
    resolve(connection, PEOPLE)
    assert len(erase(connection, Identity.of(["a\x00b", "\ud800", "jane"], [])).profiles) == 1


def test_a_person_is_known_by_all_names_of_the_profile() -> None:
    connection = new_store()
    resolve(connection, PEOPLE)
    assert known(connection, Identity.of([], ["jane@x.io"])) == Identity.of(["jane"], ["jane@x.io"]), (
        "not by a device, which others may use"
    )
    assert known(connection, Identity.of(["nobody"], [])) == Identity()


def test_whoever_comes_again_is_somebody_new() -> None:
    connection = new_store()
    *_, bob = resolve(connection, PEOPLE)
    erase(connection, Identity.of(["bob"], []))
    (again,) = resolve(connection, PEOPLE[-1:])
    assert again.created
    assert again.profile != bob.profile
