"""What any destination can be asked to do in the worker, besides what its own kind can."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from jetbridge.control.directory import DestinationRef
from jetbridge.integrations import base
from jetbridge.jobs.tasks import TaskFunction, Work
from jetbridge.services import replays
from jetbridge.services.replays import Question

#: Count what a replay would read. Options: since, until (ISO), source; all may be absent.
COUNT = "count"


def of(ref: DestinationRef, integration: base.Destination, kind: str) -> TaskFunction | None:
    """None: it can do no such thing."""
    if kind == COUNT:
        return partial(_count, ref)
    run = next((task_type.run for task_type in integration.task_types if task_type.kind == kind), None)
    return partial(run, ref) if run else None


def _count(ref: DestinationRef, options: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """The span is fixed here, so that what is asked for later is what was counted."""
    since, until = (
        datetime.fromisoformat(options[name]) if options.get(name) else None for name in ("since", "until")
    )
    question = Question(ref.id, since, until, source=options.get("source"))
    plan = replays.plan(question, on_span=work.expect, on_records=work.advance)
    return {
        "after": plan.span.after,
        "upto": plan.span.upto,
        "source": plan.source,
        "messages": plan.count.messages,
        "let_through": plan.count.let_through,
        "by_type": dict(plan.count.by_type),
    }
