"""Pipelines: their records, and their state as the orchestrator tells it at the moment of asking."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field
from sqlite_utils import Database

from knowledge.store import Store
from tools.ports import PortError, Unconfirmed
from tools.records import Id, Pipeline, PipelineState


class PipelineSettings(BaseModel):
    """What the settings say about a pipeline. It stands over what the platform sent; what is None is as it was sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    orchestrator: Annotated[str, Field(min_length=1)] | None = None
    orchestrator_id: Id | None = None
    writes: tuple[Id, ...] | None = None
    every_h: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    owner: Annotated[str, Field(min_length=1)] | None = None

    def over(self, pipeline: str, sent: Pipeline | None) -> Pipeline | None:
        """The record as it then is; None where nobody says which orchestrator runs the pipeline."""
        known = sent.model_dump() if sent else {"pipeline": pipeline}
        known |= self.model_dump(exclude_none=True)
        return Pipeline.model_validate(known) if "orchestrator" in known else None


class Orchestrator(Protocol):
    """What a connector to an orchestrator does, for pipelines by the names that they have there.

    Every method answers with a state that was read after everything else it did, and raises `PortError` with the reason
    and what to do. `fail_runs` leaves alone what is not among `runs`.
    """

    def state(self, pipeline: str) -> PipelineState: ...
    def set_paused(self, pipeline: str, paused: bool) -> PipelineState: ...
    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState: ...


class Pipelines:
    """Implements `tools.ports.PipelinesPort`: records from the store, with what the settings say over them, and state
    from `orchestrators` by their name."""

    def __init__(
        self,
        store: Store,
        orchestrators: Mapping[str, Orchestrator],
        settings: Mapping[str, PipelineSettings] | None = None,
    ) -> None:
        self._store = store
        self._orchestrators = orchestrators
        self._settings = settings or {}

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
        sent = next((Pipeline.model_validate_json(row["record"]) for row in rows), None)
        told = self._settings.get(pipeline)
        return told.over(pipeline, sent) if told else sent

    def names(self) -> list[str]:
        """Every pipeline that has a record, sorted."""
        sent = [row["pipeline"] for row in self._store.reader().query("select pipeline from pipelines")]
        return sorted(name for name in {*sent, *self._settings} if self.pipeline(name) is not None)

    def state(self, pipeline: str) -> PipelineState:
        """Read from the orchestrator now. Raises `PortError`."""
        orchestrator, there = self._orchestrator(pipeline)
        return orchestrator.state(there).model_copy(update={"pipeline": pipeline})

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        """Pause or resume, then read back. Raises `PortError`, also where the orchestrator did not do it."""
        orchestrator, there = self._orchestrator(pipeline)
        after, problem = self._order(pipeline, lambda: orchestrator.set_paused(there, paused))
        if after.paused is not paused:
            wanted = "paused" if paused else "running"
            raise problem or PortError(
                f"the orchestrator took the order but {pipeline!r} is not {wanted}; look at it there"
            )
        return after

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        """End these runs, then read back. Raises `PortError`, also where one of them goes on."""
        orchestrator, there = self._orchestrator(pipeline)
        after, problem = self._order(pipeline, lambda: orchestrator.fail_runs(there, runs))
        left = [run for run in runs if run in after.active_runs]
        if left:
            ended = [run for run in runs if run not in left]
            raise PortError(
                f"still in flight: {', '.join(left)}; ended: {', '.join(ended) or 'none'}"
                + (f" ({problem})" if problem else "; the orchestrator took the order, look at it there")
            )
        return after

    def _order(self, pipeline: str, order: Callable[[], PipelineState]) -> tuple[PipelineState, PortError | None]:
        """The state after an order, and what went wrong with giving it. An order that seems to have failed may have
        been carried out nevertheless, so the state is what counts. Raises `Unconfirmed` where it cannot be read."""
        try:
            return order().model_copy(update={"pipeline": pipeline}), None
        except PortError as problem:
            try:
                return self.state(pipeline), problem
            except PortError as silence:
                raise Unconfirmed(f"{problem}; and the state cannot be read back: {silence}") from problem

    def _orchestrator(self, pipeline: str) -> tuple[Orchestrator, str]:
        """The connector of a pipeline, and the pipeline's name there."""
        record = self.pipeline(pipeline)
        if record is None:
            raise PortError(f"no pipeline is called {pipeline!r}; check the name, or send its record first")
        if record.orchestrator not in self._orchestrators:
            known = ", ".join(sorted(self._orchestrators)) or "none"
            raise PortError(
                f"{pipeline!r} runs on the orchestrator {record.orchestrator!r}, to which there is no connection; "
                f"connected are: {known}. Add it to the settings"
            )
        return self._orchestrators[record.orchestrator], record.orchestrator_id or pipeline
