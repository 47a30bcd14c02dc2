"""The two ways in which FQL fails: nobody can read the expression, or it makes no sense of one message."""


class FQLSyntaxError(ValueError):
    """The text is no expression. `str()` has the place and what was expected there.

    `line` and `column` count from 1. `length` is how many characters from there on are meant; 0 at the end of the text.
    """

    def __init__(self, detail: str, line: int, column: int, length: int) -> None:
        super().__init__(f"Line {line}, column {column}: {detail}")
        self.detail = detail
        self.line, self.column, self.length = line, column, length


def marked(text: str, error: FQLSyntaxError, around: int = 60) -> tuple[str, str, str]:
    """The line of a text in which an error is: what stands before the place, at it and behind it, shortened."""
    line = [*text.split("\n"), ""][error.line - 1].expandtabs(1)
    start, end = error.column - 1, error.column - 1 + error.length
    before = line[max(0, start - around) : start]
    return (
        (f"…{before}" if start > around else before),
        line[start : min(end, start + around)],
        line[end : end + around],
    )


class FQLEvaluationError(ValueError):
    """A message has a value that the expression cannot use. `str()` names the place in the expression, not the value."""
