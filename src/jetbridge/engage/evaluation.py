"""Who is in which audience, and which value a computed trait has: evaluates whom news touch or time changes, and nobody else.

All of it happens on the connection and in the transaction of the caller. A definition is computed for everybody once, when it is
new, changed or enabled again: in steps by profile id, between which news go on. Until then a changed one keeps its former rows
as they are. Whoever refers to an audience or a trait is evaluated after it, in the same round.

A definition cannot harm the others: its SELECT has so many seconds, and an error of it is its own state.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jetbridge.engage.compiler import compile_computed, compile_definition
from jetbridge.engage.configuration import Configuration, Definition
from jetbridge.engage.definition import DAY_MS, Computed
from jetbridge.engage.dialect import NEVER
from jetbridge.engage.store import COMPUTING, FAILED, KNOWN, LIVE, Changes, drop_definition, json_list
from jetbridge.heartbeat import beat

#: Profiles of one step of a definition that is computed for everybody.
STEP_PROFILES = 10_000
#: Seconds that a SELECT of a step, and one of a round, may take.
STEP_SECONDS, ROUND_SECONDS = 2.0, 5.0
#: A step that takes longer is followed by a shorter one, so that news wait less.
LONG_STEP_SECONDS = 0.5
#: Profiles whose moment has come that are evaluated together.
DUE_PROFILES = 1_000
#: If more profiles have changed with a new definition, those that refer to it are computed anew instead of evaluated at once.
MOST_AT_ONCE = 10_000
#: Rows of a dropped definition that are deleted together.
DROPPED_ROWS = 20_000
#: Steps of SQLite's virtual machine after which the time is looked at.
_INSTRUCTIONS = 20_000
#: Errors of SQLite that come of the statement or of a value in it, not of the file or the machine.
_OF_STATEMENT = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
)
_ITEMS = "SELECT value FROM json_each(?)"


class DefinitionFailed(Exception):
    """A definition cannot be computed; the text says why."""

    def __init__(self, message: str, *, is_slow: bool = False) -> None:
        super().__init__(message)
        self.is_slow = is_slow


@dataclass(frozen=True)
class Step:
    """What one step of computing a definition for everybody did. `live` is the key of one that is ready now; `changed` whose value
    it has changed, unless they are so many that those that refer to it are computed anew.
    """

    worked: bool
    live: str = ""
    changed: Mapping[str, set[int]] = field(default_factory=dict)


class Table:
    """Where the rows of audiences, or of computed traits, stand. `of` names the column with their key."""

    def __init__(self, name: str, of: str, value: str, nothing: object) -> None:
        self.name = name
        #: A row with this value is kept only if time will change it.
        self.nothing = nothing
        self.values = (
            f"SELECT profile, {value}, flip_at, since FROM {name} WHERE {of} = ? AND profile IN ({_ITEMS})"
        )
        self.write = (
            f"INSERT OR REPLACE INTO {name} ({of}, profile, {value}, flip_at, since) VALUES (?, ?, ?, ?, ?)"
        )
        self.delete = f"DELETE FROM {name} WHERE {of} = ? AND profile = ?"
        self.delete_span = f"DELETE FROM {name} WHERE {of} = ? AND profile > ? AND profile <= ?"
        self.due = f"SELECT {of}, profile FROM {name} WHERE flip_at <= ? AND flip_at < {NEVER} ORDER BY flip_at LIMIT ?"
        self.of_profile = f"SELECT {of}, {value}, flip_at, since FROM {name} WHERE profile = ?"
        self.forget_profile = f"DELETE FROM {name} WHERE profile = ?"
        # What differs between the rows under two keys.
        one, other = (
            f"SELECT profile, {value} AS value FROM {name} WHERE {of} = :{key}" for key in ("old", "new")
        )
        self.changed = (
            f"SELECT n.profile, o.value, n.value FROM ({other}) AS n LEFT JOIN ({one}) AS o ON o.profile = n.profile "
            f"WHERE n.value IS NOT o.value UNION ALL "
            f"SELECT o.profile, o.value, NULL FROM ({one}) AS o WHERE NOT EXISTS "
            f"(SELECT 1 FROM {name} AS n WHERE n.{of} = :new AND n.profile = o.profile)"
        )
        self.remove_gone = (
            f"DELETE FROM {name} WHERE {of} = :old AND NOT EXISTS "
            f"(SELECT 1 FROM {name} AS n WHERE n.{of} = :new AND n.profile = {name}.profile)"
        )
        self.take_over = (
            f"INSERT OR REPLACE INTO {name} ({of}, profile, {value}, flip_at, since) "
            f"SELECT :old, n.profile, n.{value}, n.flip_at, coalesce((SELECT o.since FROM {name} AS o WHERE o.{of} = :old "
            f"AND o.profile = n.profile AND o.{value} = n.{value}), n.since) FROM {name} AS n WHERE n.{of} = :new AND NOT EXISTS "
            f"(SELECT 1 FROM {name} AS o WHERE o.{of} = :old AND o.profile = n.profile AND o.{value} = n.{value} "
            "AND o.flip_at = n.flip_at)"
        )
        self.drop = (
            f"DELETE FROM {name} WHERE {of} = :key AND profile <= "
            f"coalesce((SELECT profile FROM {name} WHERE {of} = :key ORDER BY profile LIMIT 1 OFFSET {DROPPED_ROWS}), {NEVER})"
        )
        self.silence = f"UPDATE {name} SET flip_at = {NEVER} WHERE {of} = ? AND profile = ?"


AUDIENCES = Table("membership", "audience", "member", 0)
TRAITS = Table("computed", "trait", "value", "null")


class Unit:
    """A definition at work. `rows` is the key of its rows, `place` the last profile it is computed for; None: everybody.
    `is_former`: another one is computed that will take its place.
    """

    def __init__(
        self, definition: Definition, rows: str, place: int | None, *, is_former: bool = False
    ) -> None:
        self.is_former = is_former
        self.definition = definition
        self.key = definition.key
        self.rows = rows
        self.place = place
        self.step = STEP_PROFILES
        self.table = AUDIENCES if definition.is_audience else TRAITS
        parsed, retention_ms = definition.parsed, definition.retention_ms
        assert parsed is not None
        self.compiled = (
            compile_computed(parsed, retention_ms=retention_ms)
            if isinstance(parsed, Computed)
            else compile_definition(
                parsed, retention_ms=retention_ms, computed=definition.references.computed
            )
        )
        #: The value of a profile without a row, and of one that fulfils nothing.
        self.empty = _empty(definition)

    @property
    def is_live(self) -> bool:
        return self.place is None

    def touched(self, changes: Changes, changed: Mapping[str, Collection[int]]) -> set[int]:
        used = self.definition.references
        profiles = set(changes.all)
        for name in used.events & changes.events.keys():
            profiles |= changes.events[name]
        for path in used.traits if changes.traits else ():
            # A trait may be called like the whole path, or hold the value at its rest.
            parts = path.split(".")
            for length in range(1, len(parts) + 1):
                profiles |= changes.traits.get(".".join(parts[:length]), set())
        for key in used.audiences | used.computed:
            profiles.update(changed.get(key, ()))
        profiles |= changes.due.get(self.rows, set())
        place = self.place
        return profiles if place is None else {profile for profile in profiles if profile <= place}


class Evaluator:
    """For one store, used by one thread. After an exception `load` makes it what the store says again."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._units: list[Unit] = []
        #: Those that rows stand under or are computed by, by key and fingerprint.
        self._definitions: dict[tuple[str, str], Definition] = {}
        #: Keys of those that have failed before anybody was computed.
        self._never_computed: set[str] = set()
        #: Whether definitions are to be computed anew once they are configured.
        self.has_recomputed = False
        self._turn = 0

    # ---- definitions

    def configure(self, configuration: Configuration) -> None:
        """Begin to compute what is new or has changed, and drop what is gone."""
        self.has_recomputed = False
        rows = {
            row[0]: row[1:]
            for row in self._connection.execute(
                "SELECT key, version, state, fingerprint, computed_at FROM definition"
            )
        }
        known = {definition.key for definition in configuration.definitions}
        for definition in configuration.definitions:
            if not definition.is_deleted:
                self._configure(definition, rows)
        for key in rows:
            if key.partition(PENDING)[0] not in known:
                drop_definition(self._connection, key)
        self.load(configuration)

    def load(self, configuration: Configuration) -> None:
        rows = {
            key: (state, place, fingerprint)
            for key, state, place, fingerprint in self._connection.execute(
                "SELECT key, state, place, fingerprint FROM definition"
            )
        }
        never = self._connection.execute(
            "SELECT key FROM definition WHERE state = ? AND computed_at = 0", [FAILED]
        )
        self._never_computed = {key for (key,) in never}
        present = [row for row in configuration.definitions if not (row.is_deleted or row.error)]
        self._definitions |= {(row.key, row.fingerprint): row for row in present}
        stored = {(key.partition(PENDING)[0], fingerprint) for key, (_, _, fingerprint) in rows.items()}
        self._definitions = {name: row for name, row in self._definitions.items() if name in stored}
        self._units = []
        for definition in present:
            if not definition.is_enabled:
                continue
            for key in (definition.key, pending_key(definition)):
                state, place, fingerprint = rows.get(key, ("", 0, ""))
                if fingerprint == definition.fingerprint and state in {COMPUTING, LIVE}:
                    if key != definition.key:
                        self._go_on_with_former(definition, rows[definition.key], present)
                    self._units.append(Unit(definition, key, place if state == COMPUTING else None))
                    break

    def _go_on_with_former(
        self, definition: Definition, row: tuple[str, int, str], present: Iterable[Definition]
    ) -> None:
        """Until a definition is computed anew. What is to be computed by the same one has no fingerprint."""
        state, _, fingerprint = row
        former = self._definitions.get((definition.key, fingerprint)) if fingerprint else definition
        if state == LIVE and former:
            used = former.references.audiences | former.references.computed
            if used <= {other.key for other in present if other.is_enabled}:
                self._units.append(Unit(former, definition.key, None, is_former=True))

    def live(self) -> set[str]:
        """The keys of those that are computed for everybody."""
        return {unit.key for unit in self._units if unit.is_live and not unit.is_former}

    def clean(self) -> bool:
        """Delete some rows of what was dropped; False if there are none."""
        row = self._connection.execute("SELECT key FROM dropped LIMIT 1").fetchone()
        if row is None:
            return False
        deleted = sum(
            self._connection.execute(table.drop, {"key": row[0]}).rowcount for table in (AUDIENCES, TRAITS)
        )
        if not deleted:
            self._connection.execute("DELETE FROM daily_change WHERE key = ?", row)
            self._connection.execute("DELETE FROM dropped WHERE key = ?", row)
        return True

    def recompute(self, keys: Iterable[str]) -> None:
        """Let definitions be computed anew for everybody, with the next `configure`."""
        for key in keys:
            self._connection.execute("UPDATE definition SET fingerprint = '' WHERE key = ?", [key])
        self.has_recomputed = True

    def recompute_all(self) -> None:
        self._connection.execute("UPDATE definition SET fingerprint = ''")
        self.has_recomputed = True

    def _configure(self, definition: Definition, rows: Mapping[str, tuple[int, str, str, int]]) -> None:
        key, execute = definition.key, self._connection.execute
        pending = pending_key(definition)
        for other in [row for row in rows if row.startswith(f"{key}{PENDING}")]:
            is_current = (
                other == pending and definition.is_enabled and rows[other][2] == definition.fingerprint
            )
            if not is_current or definition.error:
                drop_definition(self._connection, other)
        if definition.error:
            self._insert(key, definition, FAILED, keeps=True)
            execute(
                "UPDATE definition SET state = ?, error = ?, version = ?, fingerprint = '' WHERE key = ?",
                [FAILED, definition.error, definition.version, key],
            )
            return
        if not definition.is_enabled:
            execute("UPDATE definition SET fingerprint = '' WHERE key = ?", [key])
            return
        if key not in rows:
            self._insert(key, definition, COMPUTING)
            return
        _, state, fingerprint, computed_at = rows[key]
        if fingerprint == definition.fingerprint:
            execute("UPDATE definition SET version = ? WHERE key = ?", [definition.version, key])
        elif state == COMPUTING or not computed_at:
            self._insert(key, definition, COMPUTING)
        elif pending not in rows or rows[pending][2] != definition.fingerprint:
            self._insert(pending, definition, COMPUTING)

    def _insert(self, key: str, definition: Definition, state: str, *, keeps: bool = False) -> None:
        self._connection.execute("DELETE FROM dropped WHERE key = ?", [key])
        self._connection.execute(
            f"INSERT OR {'IGNORE' if keeps else 'REPLACE'} INTO definition (key, version, state, since, fingerprint, empty) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [
                key,
                definition.version,
                state,
                definition.since,
                definition.fingerprint,
                str(_empty(definition)),
            ],
        )

    def _fail(self, unit: Unit, error: DefinitionFailed) -> None:
        """Its rows stay as they are. It is tried again when it is changed."""
        if unit.is_former:  # another one takes its place soon
            self._units.remove(unit)
            return
        self._units = [other for other in self._units if other.key != unit.key]
        if unit.rows != unit.key:
            drop_definition(self._connection, unit.rows)
        definition = unit.definition
        self._connection.execute(
            "UPDATE definition SET state = ?, error = ?, version = ?, fingerprint = ? WHERE key = ?",
            [FAILED, str(error), definition.version, definition.fingerprint, unit.key],
        )

    # ---- rounds

    def due(self, now: int) -> Changes:
        """Whose moment has come, up to DUE_PROFILES of audiences and as many of traits."""
        changes, units = Changes(), {unit.rows: unit for unit in self._units}
        for table in (AUDIENCES, TRAITS):
            for key, profile in self._connection.execute(table.due, [now, DUE_PROFILES]).fetchall():
                unit = units.get(key)
                if unit and (unit.place is None or profile <= unit.place):
                    changes.due[key].add(profile)
                else:  # nothing is evaluated of it; it is computed anew before that begins again
                    self._connection.execute(table.silence, [key, profile])
        return changes

    def is_due(self, now: int) -> bool:
        return any(self._connection.execute(table.due, [now, 1]).fetchone() for table in (AUDIENCES, TRAITS))

    def evaluate(
        self, changes: Changes, now: int, changed: Mapping[str, set[int]] = MappingProxyType({})
    ) -> dict[str, set[int]]:
        """The profiles whose value has changed, by the keys of definitions that are live. `changed` has those that are known."""
        changed = dict(changed)
        known: dict[int, bool] = {}
        for unit in list(self._units):
            profiles = unit.touched(changes, changed)
            if not unit.definition.include_anonymous:
                # Those that have a userId or an address.
                missing = [profile for profile in profiles if profile not in known]
                statement = f"SELECT DISTINCT profile FROM identifier WHERE profile IN ({_ITEMS}) AND {KNOWN}"
                rows = self._connection.execute(statement, [json_list(missing)]) if missing else ()
                have = {profile for (profile,) in rows}
                known.update({profile: profile in have for profile in missing})
                profiles = {profile for profile in profiles if known[profile]}
            if not profiles:
                continue
            try:
                differing = self._evaluate(unit, profiles, now)
            except DefinitionFailed as error:
                self._fail(unit, error)
                continue
            if unit.is_live and differing:
                changed[unit.key] = differing
        return changed

    def merge(self, loser: int, survivor: int) -> None:
        """What is kept of a merged profile becomes the survivor's, which is evaluated then."""
        for table in (AUDIENCES, TRAITS):
            own = {
                key
                for key, value, *_ in self._connection.execute(table.of_profile, [survivor])
                if value != table.nothing
            }
            rows = self._connection.execute(table.of_profile, [loser]).fetchall()
            self._connection.execute(table.forget_profile, [loser])
            for key, value, flip_at, since in rows:
                if value == table.nothing:
                    continue
                if key in own:
                    one_less = "UPDATE definition SET size = size - 1 WHERE key = ? AND empty <> ?"
                    self._connection.execute(one_less, [key, value])
                else:
                    self._connection.execute(table.write, [key, survivor, value, flip_at, since])

    def _evaluate(self, unit: Unit, profiles: Collection[int], now: int) -> set[int]:
        compiled, table = unit.compiled, unit.table
        parameters = compiled.parameters(now, since=unit.definition.since, profiles=profiles)
        rows = self._select(compiled.some, parameters, ROUND_SECONDS, len(profiles))
        former = {
            profile: (value, flip_at, since)
            for profile, value, flip_at, since in self._connection.execute(
                table.values, [unit.rows, json_list(profiles)]
            )
        }
        writes, deletes, differing, entered, exited = [], [], set(), 0, 0
        for profile, value, flip_at in rows:
            before, former_flip_at, since = former.get(profile, (unit.empty, NEVER, now))
            if value == table.nothing and flip_at == NEVER:
                if profile in former:
                    deletes.append((unit.rows, profile))
            elif (before, former_flip_at) != (value, flip_at) or profile not in former:
                writes.append((unit.rows, profile, value, flip_at, since if before == value else now))
            if before != value:
                differing.add(profile)
                entered += before == unit.empty
                exited += value == unit.empty
        self._connection.executemany(table.write, writes)
        self._connection.executemany(table.delete, deletes)
        if (entered or exited) and unit.is_live:
            self._count(unit.key, entered, exited, now)
        return differing

    def _count(self, key: str, entered: int, exited: int, now: int) -> None:
        execute = self._connection.execute
        execute("UPDATE definition SET size = size + ? WHERE key = ?", [entered - exited, key])
        execute(
            "INSERT INTO daily_change SELECT key, ?, ?, ?, size FROM definition WHERE key = ? "
            "ON CONFLICT (key, day) DO UPDATE SET entered = entered + excluded.entered, exited = exited + excluded.exited, "
            "size = excluded.size",
            [now // DAY_MS, entered, exited, key],
        )

    def _select(
        self, statement: str, parameters: Mapping[str, object], seconds: float, profiles: int
    ) -> list[tuple[int, object, int]]:
        end = self._clock() + seconds
        self._connection.set_progress_handler(lambda: self._clock() > end, _INSTRUCTIONS)
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_INTERRUPT:
                message = f"It takes longer than {seconds:g} s for {profiles:,} people. Make it simpler, or its window shorter."
                raise DefinitionFailed(message, is_slow=True) from error
            if code in _OF_STATEMENT:
                raise DefinitionFailed(f"It cannot be computed: {error}. Please report it.") from error
            raise
        finally:
            self._connection.set_progress_handler(None, 0)

    # ---- for everybody

    def compute(self, now: int) -> Step:
        """One step of a definition that is being computed."""
        # All that it refers to is computed for everybody.
        missing = self._never_computed | {unit.key for unit in self._units if not unit.is_live}
        waiting = [
            unit
            for unit in self._units
            if not unit.is_live
            and missing.isdisjoint(unit.definition.references.audiences | unit.definition.references.computed)
        ]
        if not waiting:
            return Step(worked=False)
        self._turn += 1
        unit = waiting[self._turn % len(waiting)]
        try:
            return self._step(unit, now)
        except DefinitionFailed as error:
            if error.is_slow and unit.step > 1:
                unit.step = max(1, unit.step // 10)
            else:
                self._fail(unit, error)
            return Step(worked=True)

    def _step(self, unit: Unit, now: int) -> Step:
        after = unit.place or 0
        (upto,) = self._connection.execute(
            "SELECT max(id) FROM (SELECT id FROM profile WHERE id > ? ORDER BY id LIMIT ?)",
            [after, unit.step],
        ).fetchone()
        if upto is None:
            return self._finish(unit, now)
        begun = self._clock()
        compiled, table = unit.compiled, unit.table
        statement = compiled.span
        if not unit.definition.include_anonymous:
            statement = (
                f"SELECT * FROM ({statement}) AS r WHERE EXISTS "
                f"(SELECT 1 FROM identifier AS i WHERE i.profile = r.profile AND i.{KNOWN})"
            )
        parameters = {**compiled.parameters(now, since=unit.definition.since), "after": after, "upto": upto}
        rows = self._select(statement, parameters, STEP_SECONDS, unit.step)
        self._connection.execute(table.delete_span, [unit.rows, after, upto])
        self._connection.executemany(
            table.write,
            [(unit.rows, *row, now) for row in rows if row[1] != table.nothing or row[2] < NEVER],
        )
        self._connection.execute("UPDATE definition SET place = ? WHERE key = ?", [upto, unit.rows])
        unit.place = upto
        took = self._clock() - begun
        unit.step = max(1, unit.step // 2) if took > LONG_STEP_SECONDS else min(STEP_PROFILES, unit.step * 2)
        return Step(worked=True)

    def _finish(self, unit: Unit, now: int) -> Step:
        """Everybody is computed: from now on it is evaluated as news come, and sent."""
        execute, definition, table = self._connection.execute, unit.definition, unit.table
        keys = {"old": unit.key, "new": unit.rows}
        entered = exited = 0
        changed: set[int] = set()
        if unit.rows != unit.key:
            for profile, *values in execute(table.changed, keys):
                changed.add(
                    profile
                )  # no row and the value of nobody are two things to a condition on a trait
                before, after = (unit.empty if value is None else value for value in values)
                if before != after:
                    entered += before == unit.empty
                    exited += after == unit.empty
            beat()
            execute(table.remove_gone, keys)
            execute(table.take_over, keys)
            drop_definition(self._connection, unit.rows)
            unit.rows = unit.key
            self._units = [other for other in self._units if other.key != unit.key or other is unit]
        of, value = ("audience", "member") if definition.is_audience else ("trait", "value")
        size = f"SELECT count(*) FROM {table.name} WHERE {of} = ? AND {value} <> ?"
        (total,) = execute(size, [unit.key, unit.empty]).fetchone()
        execute(
            "UPDATE definition SET state = ?, version = ?, since = ?, place = 0, size = ?, error = '', computed_at = ?, "
            "fingerprint = ?, empty = ? WHERE key = ?",
            [
                LIVE,
                definition.version,
                definition.since,
                total - entered + exited,
                now,
                definition.fingerprint,
                str(unit.empty),
                unit.key,
            ],
        )
        self._count(unit.key, entered, exited, now)
        unit.place = None
        if len(changed) <= MOST_AT_ONCE:
            return Step(worked=True, live=unit.key, changed={unit.key: changed})
        self.recompute(
            other.key
            for other in self._units
            if unit.key in other.definition.references.audiences | other.definition.references.computed
        )
        return Step(worked=True, live=unit.key)


#: Between the key of a definition and the version that is being computed.
PENDING = "\x1f"


def pending_key(definition: Definition) -> str:
    return f"{definition.key}{PENDING}{definition.version}"


def _empty(definition: Definition) -> int | str:
    """As it stands in its table."""
    return 0 if definition.is_audience else definition.empty
