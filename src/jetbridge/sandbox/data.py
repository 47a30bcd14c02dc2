"""``/v3/DATA``: files of imports, without the envelope of the REST resources."""

from starlette.responses import Response

from jetbridge.sandbox import errors, wire
from jetbridge.sandbox.body import as_id
from jetbridge.sandbox.world import Call, World


class Data:
    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, call: Call) -> Response:
        """Answer ``{resource}/{id}/{kind}/{media type}[/LAST]``, in any case."""
        words = [segment.lower() for segment in call.segments]
        if len(words) < 3:
            raise errors.source_not_found()
        if (call.method, words[0], words[2]) == ("GET", "batchjob", "jsonerror"):
            return self._json_errors(as_id(words[1]))
        raise errors.source_not_found()

    def _json_errors(self, job_id: int | None) -> Response:
        job = self._world.store.jobs.get(job_id or 0)
        if job is None or not job.ended_at or not job.errors:
            raise errors.source_not_found()
        return wire.legacy(job.errors)
