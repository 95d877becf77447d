"""Stages a drill: its world, built or found again, as a fresh data folder."""

import shutil
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
from knowledge.store import FolderInUse, Store, StoreError

WORLDS, RUNS, DEMO = "worlds", "runs", "demo"


@dataclass(frozen=True)
class Staged:
    """A copy of the world to investigate in, the settings to do it with, and how long the building took."""

    world: World
    settings: Settings
    build_s: float


@contextmanager
def staged(fault: str, seed: int, settings: Settings) -> Iterator[Staged]:
    """A data folder that is gone afterwards. Raises `Failure` where the flights are not installed."""
    built, build_s = _built(fault, seed, settings)
    with tempfile.TemporaryDirectory(
        dir=settings.data_dir / RUNS, prefix=f"{fault}-{seed}-", ignore_cleanup_errors=True
    ) as folder:
        yield _staged(built, Path(folder) / "data", settings, build_s)


def staged_to_stay(fault: str, seed: int, settings: Settings) -> Staged:
    """A data folder that stays, so that what was walked can be looked at again: the one of the last demo is replaced.

    Raises `Failure` where somebody still works on it, or where the flights are not installed.
    """
    built, build_s = _built(fault, seed, settings)
    folder = settings.data_dir / DEMO
    if folder.exists():
        try:
            Store.open(folder).close()
        except FolderInUse as error:
            raise Failure(str(error)) from None
        except StoreError:
            pass  # it is replaced, damaged or not
        shutil.rmtree(folder)
    return _staged(built, folder, settings, build_s)


def _staged(built: World, folder: Path, settings: Settings, build_s: float) -> Staged:
    world = built.copy_to(folder)
    return Staged(world, settings.model_copy(update={"data_dir": world.folder}), build_s)


def _built(fault: str, seed: int, settings: Settings) -> tuple[World, float]:
    begun = time.perf_counter()
    try:
        with reported("building the world") as report:
            built = build(fault, seed, settings.data_dir / WORLDS, report)
        (settings.data_dir / RUNS).mkdir(parents=True, exist_ok=True)
    except DrillDataMissing as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(
            f"cannot build a world below {settings.data_dir}: {error}. Choose another HAWKEYE_DATA_DIR"
        ) from None
    return built, time.perf_counter() - begun
