"""Published buggy training programs and their corrections, replayed (DeepLocalize): which runs does the tool accuse?

    python -m tests.benchmarks.training_failures [DIR]

Each folder of DIR is a run: `run.json` (loss, optimiser, layers, logs per epoch) and `fit<i>_ep<n>.npz` (the weights
after an epoch). It becomes the record that a platform would send, and the shipped tool is asked with its defaults. A
run is faulty whose folder ends with `_Bug`, or whose `kind` is "Bug". Keys: `found`, `faulty`, `false_alarms`, `clean`.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.telemetry.checkpoints import Checkpoint, weight_curves
from tests.tools.ports import InMemoryPorts
from tools.contract import Finding
from tools.records import MetricCurve, Model, Snapshot, TrainingRun, Window
from tools.training_data import TOOL, TrainingDataParams

DATA = Path(__file__).parents[3] / "shared" / "data" / "training_failures"
START = datetime(2026, 1, 1, tzinfo=UTC)


def main(folder: Path) -> dict[str, int]:
    """Asks about every run, and says what was accused and why."""
    score = {"found": 0, "faulty": 0, "false_alarms": 0, "clean": 0}
    for place in sorted(path for path in folder.iterdir() if (path / "run.json").exists()):
        told = json.loads((place / "run.json").read_text(encoding="utf-8"))
        faulty = place.name.endswith("_Bug") or told.get("kind") == "Bug"
        findings = [answer(run) for run in runs(place, told)]
        accused = any(finding.interesting for finding in findings)
        score["faulty" if faulty else "clean"] += 1
        score["found" if faulty else "false_alarms"] += accused
        print(f"{place.name}: {'; '.join(finding.headline for finding in findings) or 'no fit was logged'}")
    return score


def answer(run: TrainingRun) -> Finding:
    """What the shipped tool says about a run without any before it."""
    ports = InMemoryPorts()
    ports.training.by_run[run.run] = run
    ports.models.by_name[run.model] = Model(model=run.model, product="replayed", title=run.model)
    published = START + timedelta(hours=1)
    ports.models.all_snapshots.append(
        Snapshot(snapshot=run.run, model=run.model, published_at=published, training_run=run.run)
    )
    window, before = Window(start=START, end=published), Window(start=START - timedelta(days=14), end=START)
    return TOOL.run(TrainingDataParams(snapshot=run.run, product="replayed", window=window, baseline=before), ports)


def runs(place: Path, told: dict[str, Any]) -> Iterator[TrainingRun]:
    """One record for each call of fit."""
    for number, fit in enumerate(told.get("fits", ())):
        checkpoints = list(_checkpoints(place, number))
        curves = [*_logged(fit.get("logs", ())), *weight_curves(checkpoints)]
        yield TrainingRun(
            run=f"{place.name}/{number}",
            model=place.name,
            started_at=START,
            parameters=_parameters(fit, checkpoints),
            curves=tuple(MetricCurve.model_validate(curve) for curve in curves),
        )


def _parameters(fit: dict[str, Any], checkpoints: list[Checkpoint]) -> dict[str, str]:
    found = {"loss": str(fit.get("loss")), "epochs": str(fit.get("epochs_asked"))}
    if checkpoints and checkpoints[0][1]:
        found["outputs"] = str(list(checkpoints[0][1].values())[-1].shape[-1])  # of the last tensor, a bias
    return found


def _logged(logs: list[dict[str, float]]) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(name for log in logs for name in log):
        steps = [step for step, log in enumerate(logs) if name in log]
        yield {"name": name, "steps": steps, "values": [logs[step][name] for step in steps]}


def _checkpoints(place: Path, number: int) -> Iterator[Checkpoint]:
    files = sorted((int(path.stem.split("_ep")[1]), path) for path in place.glob(f"fit{number}_ep*.npz"))
    for epoch, path in files:
        with np.load(path, allow_pickle=False) as tensors:
            yield epoch + 1, {name: tensors[name] for name in tensors}


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not where.is_dir():
        print(json.dumps({"skipped": f"no folder {where}"}))
    else:
        print(json.dumps(main(where)))
