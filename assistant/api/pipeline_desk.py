"""What may be done with pipelines: send the record of one, and look at it as its orchestrator has it now."""

from concurrent.futures import ThreadPoolExecutor

from assistant.api.problems import not_found
from assistant.wire import Pipeline, PipelineLine, PipelinePage
from knowledge.workspace import Workspace
from tools.ports import PortError

AT_ONCE = 8
"""How many pipelines of a page are asked for at the same time, so that one orchestrator that hangs holds up little."""


class PipelineDesk:
    """The pipelines of one workspace, as the API offers them. Everything here may wait for an orchestrator."""

    def __init__(self, workspace: Workspace) -> None:
        self._pipelines, self._receiver = workspace.pipelines, workspace.receiver

    def put(self, pipeline: Pipeline) -> tuple[PipelineLine, bool]:
        """The pipeline as it is now known, and whether it is new."""
        known = self._pipelines.pipeline(pipeline.pipeline)
        self._receiver.receive_pipeline(pipeline)
        return self.line(pipeline.pipeline), known is None

    def line(self, pipeline: str) -> PipelineLine:
        record = self._pipelines.pipeline(pipeline)
        if record is None:
            raise not_found(f"no pipeline is called {pipeline!r}; GET /api/v1/pipelines lists them")
        try:
            return PipelineLine(record=record, state=self._pipelines.state(pipeline))
        except PortError as error:
            return PipelineLine(record=record, detail=str(error))

    def page(self, limit: int, offset: int) -> PipelinePage:
        names = self._pipelines.names()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            lines = tuple(threads.map(self.line, names[offset : offset + limit]))
        return PipelinePage(pipelines=lines, total=len(names), offset=offset, limit=limit)
