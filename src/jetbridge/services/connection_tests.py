"""Testing the connection of a destination, stored or not, for pages, the API and commands."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from jetbridge.errors import ConfigurationError
from jetbridge.integrations import base
from jetbridge.integrations.connection import ConnectionDraft, StepResult, limited

State = Literal["passed", "failed", "running", "waiting", "skipped"]


class Step(NamedTuple):
    """A step as it is shown. `waiting`: not tried yet; `skipped`: one before it has failed."""

    name: str
    title: str
    state: State
    message: str = ""
    command: str = ""


def draft(
    integration: base.Destination,
    workspace: int,
    values: Mapping[str, Any],
    destination: int = 0,
    sources: Sequence[int] = (),
) -> ConnectionDraft:
    """`values` may be texts; what has the wrong type counts as not set."""
    defaults = {setting.name: setting.default for setting in integration.settings}
    return ConnectionDraft(workspace, {**defaults, **integration.parsed(values)}, destination, sources)


def needs_check(integration: base.Destination, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the connection is another one afterwards: the settings without a group are those of the connection."""
    names = [setting.name for setting in integration.settings if not setting.group]
    return integration.checks_connection and any(before.get(name) != after.get(name) for name in names)


def run(integration: base.Destination, of: ConnectionDraft, upto: str | None = None) -> list[Step]:
    """Test all steps, or those up to the one named: then the next one is `running`, for who asks for that.

    Stops at the first that fails. Raises Backpressure where enough are tested already.
    """
    results: dict[str, StepResult] = {}
    titles = {step.name: step.title for step in integration.connection_steps(of.values)}
    if upto != "":
        with limited():
            results = {result.step: result for result in _results(integration, of, upto)}
    is_over = any(result.state == "failed" for result in results.values())
    shown: list[Step] = []
    for name, title in titles.items():
        if result := results.get(name):
            shown.append(Step(name, title, result.state, result.message, result.command))
        elif is_over:
            shown.append(Step(name, title, "skipped"))
        else:
            is_next = not shown or shown[-1].state == "passed"
            shown.append(Step(name, title, "running" if is_next else "waiting"))
    return shown


def _results(integration: base.Destination, of: ConnectionDraft, upto: str | None) -> Iterator[StepResult]:
    test = integration.check_connection(of)
    try:
        for result in test:
            yield result
            if result.step == upto:
                return
    finally:
        if hasattr(test, "close"):
            test.close()


def require(
    integration: base.Destination, of: ConnectionDraft, otherwise: str = "Nothing was added."
) -> list[Step]:
    """All steps, if they pass. Raises ConfigurationError with what to do about the one that does not, or Backpressure."""
    steps = run(integration, of) if integration.checks_connection else []
    for step in steps:
        if step.state == "failed":
            command = f" Run there: {step.command}" if step.command else ""
            raise ConfigurationError(f"{step.title}: {step.message}{command} {otherwise}")
    return steps


def has_failed(steps: Sequence[Step]) -> bool:
    return any(step.state == "failed" for step in steps)
