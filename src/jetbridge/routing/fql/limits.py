"""How large an expression may be. Reading one takes some 10 µs per character, evaluating it less than a microsecond per node."""

#: Characters. Segment allows 5 KB; filters of twenty conditions with long values need more.
MOST_CHARACTERS = 100_000
#: Levels of `!`, lists, calls, comparisons and junctions within each other.
MOST_LEVELS = 50
