"""Pipelines: their records, and their state as the orchestrator tells it at the moment of asking."""

from collections.abc import Mapping
from typing import Protocol

from sqlite_utils import Database

from knowledge.store import Store
from tools.ports import PortError
from tools.records import Pipeline, PipelineState


class Orchestrator(Protocol):
    """What a connector to an orchestrator does. Both methods raise `PortError` with the reason and what to do."""

    def state(self, pipeline: str) -> PipelineState: ...
    def set_paused(self, pipeline: str, paused: bool) -> PipelineState: ...


class Pipelines:
    """Implements `tools.ports.PipelinesPort`: records from the store, state from `orchestrators` by their name."""

    def __init__(self, store: Store, orchestrators: Mapping[str, Orchestrator]) -> None:
        self._store = store
        self._orchestrators = orchestrators

    def put(self, pipeline: Pipeline) -> None:
        """Keep a record; the later one of a pipeline wins."""
        row = {
            "pipeline": pipeline.pipeline,
            "orchestrator": pipeline.orchestrator,
            "record": pipeline.model_dump_json(),
        }

        def write(db: Database) -> None:
            db.table("pipelines").upsert(row, pk="pipeline")

        self._store.write(write)

    def pipeline(self, pipeline: str) -> Pipeline | None:
        """The record, or None."""
        rows = self._store.reader().query("select record from pipelines where pipeline = ?", [pipeline])
        for row in rows:
            return Pipeline.model_validate_json(row["record"])
        return None

    def state(self, pipeline: str) -> PipelineState:
        """Read from the orchestrator now. Raises `PortError`."""
        return self._orchestrator(pipeline).state(pipeline)

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        """Pause or resume, then read back. Raises `PortError`, also where the orchestrator did not do it."""
        after = self._orchestrator(pipeline).set_paused(pipeline, paused)
        if after.paused is not paused:
            wanted = "paused" if paused else "running"
            raise PortError(f"the orchestrator took the order but {pipeline!r} is not {wanted}; look at it there")
        return after

    def _orchestrator(self, pipeline: str) -> Orchestrator:
        record = self.pipeline(pipeline)
        if record is None:
            raise PortError(f"no pipeline is called {pipeline!r}; check the name, or send its record first")
        if record.orchestrator not in self._orchestrators:
            known = ", ".join(sorted(self._orchestrators)) or "none"
            raise PortError(
                f"{pipeline!r} runs on the orchestrator {record.orchestrator!r}, to which there is no connection; "
                f"connected are: {known}. Add it to the settings"
            )
        return self._orchestrators[record.orchestrator]
