"""An orchestrator that is one JSON file: for drills and for trying the assistant without Airflow or the like.

It keeps what a real orchestrator would tell: which pipelines there are, which are paused, what runs now and what comes
next. A pause holds back the next run and leaves the run in flight alone, as Airflow's does.
"""

import json
import os
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tools.ports import PortError
from tools.records import PipelineState, Utc


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    paused: bool = False
    next_run_at: Utc
    every_h: float | None = None
    active_runs: tuple[str, ...] = ()


class _Book(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: int = 1
    pipelines: dict[str, _Entry] = {}


class EmbeddedOrchestrator:
    """Pipelines kept in the file at `path`, which is replaced whole on every change and never written in place.

    One process at a time may use a file; its threads are kept in order here.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def register(
        self, pipeline: str, next_run_at: datetime, active_runs: tuple[str, ...] = (), every_h: float | None = None
    ) -> PipelineState:
        """Make a pipeline known, or update its schedule. A pipeline that is paused stays paused.

        `every_h` is the time between two runs in hours. Raises `PortError` where the file is damaged.
        """
        with self._lock:
            book = self._read()
            known = book.pipelines.get(pipeline)
            book.pipelines[pipeline] = _Entry(
                paused=known.paused if known else False,
                next_run_at=next_run_at,
                every_h=every_h,
                active_runs=active_runs,
            )
            self._write(book)
        return self.state(pipeline)

    def state(self, pipeline: str) -> PipelineState:
        """What the file says now. Raises `PortError` for an unknown pipeline or a damaged file."""
        entry = self._entry(self._read(), pipeline)
        return PipelineState(
            pipeline=pipeline,
            paused=entry.paused,
            active_runs=entry.active_runs,
            next_run_at=entry.next_run_at,
            read_at=datetime.now(UTC),
        )

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        """Pause or resume, and answer with the state that is then read back. Raises `PortError`."""
        with self._lock:
            book = self._read()
            self._entry(book, pipeline).paused = paused
            self._write(book)
        return self.state(pipeline)

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        """End these runs, and answer with the state that is then read back. Raises `PortError`."""
        with self._lock:
            book = self._read()
            entry = self._entry(book, pipeline)
            entry.active_runs = tuple(run for run in entry.active_runs if run not in runs)
            self._write(book)
        return self.state(pipeline)

    def _entry(self, book: _Book, pipeline: str) -> _Entry:
        if pipeline not in book.pipelines:
            known = ", ".join(sorted(book.pipelines)) or "none"
            raise PortError(
                f"no pipeline is called {pipeline!r} in {self._path}; there are: {known}. Register it first"
            )
        return book.pipelines[pipeline]

    def _read(self) -> _Book:
        try:
            return _Book.model_validate(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return _Book()
        except OSError as error:
            raise PortError(f"cannot read {self._path}: {error.strerror}. Make the file readable") from error
        except (ValueError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise PortError(
                f"{self._path} is damaged ({reason}). Restore it from a backup, "
                "or delete it and register the pipelines again"
            ) from error

    def _write(self, book: _Book) -> None:
        """Write beside the file, flush to the disk, then rename: a crash leaves the old file or the new one, whole."""
        text = json.dumps(book.model_dump(mode="json"), indent=1, sort_keys=True)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            _sync_folder(self._path.parent)
        except OSError as error:
            raise PortError(f"cannot write {self._path}: {error.strerror}. Nothing was changed") from error


def _sync_folder(folder: Path) -> None:
    """A rename is durable only once the folder that holds the name is flushed too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
