"""Stages a drill: its world, built or found again, as a fresh data folder that is gone afterwards."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assistant.cli.failures import Failure
from assistant.cli.progress import reported
from assistant.settings import Settings
from knowledge.drills.flights import DrillDataMissing
from knowledge.drills.world import World, build

WORLDS, RUNS = "worlds", "runs"


@dataclass(frozen=True)
class Staged:
    """A copy of the world to investigate in, the settings to do it with, and how long the building took."""

    world: World
    settings: Settings
    build_s: float


@contextmanager
def staged(fault: str, seed: int, settings: Settings) -> Iterator[Staged]:
    """The drill's world below the configured data folder. Raises `Failure` where the flights are not installed."""
    begun = time.perf_counter()
    try:
        with reported("building the world") as report:
            built = build(fault, seed, settings.data_dir / WORLDS, report)
        runs = settings.data_dir / RUNS
        runs.mkdir(parents=True, exist_ok=True)
    except DrillDataMissing as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(
            f"cannot build a world below {settings.data_dir}: {error}. Choose another HAWKEYE_DATA_DIR"
        ) from None
    build_s = time.perf_counter() - begun
    with tempfile.TemporaryDirectory(dir=runs, prefix=f"{fault}-{seed}-", ignore_cleanup_errors=True) as folder:
        world = built.copy_to(Path(folder) / "data")
        yield Staged(world, settings.model_copy(update={"data_dir": world.folder}), build_s)
