"""Publishing a snapshot: the day's weights in an exported program, and what its input columns mean."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from knowledge.drills.features import FEATURES, Inputs
from knowledge.drills.training import State
from knowledge.exporting import export
from knowledge.exporting.artifact import write_program


class Publisher:
    """Exports a model's architecture once and writes each day's weights into it: tracing is slow, writing is not."""

    def __init__(self, model: str, module: nn.Module, root: Path) -> None:
        self._model, self._root = model, root
        self._program = export(module, _example(model)).program

    def publish(self, day: str, state: State, sample: Inputs) -> str:
        """Write `<model>/<day>.pt2` and `<model>/<day>.features.json`; answers with the artifact's path below the root.

        `sample` gives the baseline value of each input column: the mean of a dense one, the commonest id of another.
        """
        with torch.no_grad():
            for name, value in self._program.state_dict.items():
                value.copy_(state[name])
        artifact = f"{self._model}/{day}.pt2"
        write_program(self._program, self._root / artifact)
        columns = json.dumps(describe_inputs(self._model, sample), indent=1)
        (self._root / self._model / f"{day}.features.json").write_text(columns + "\n")
        return artifact


def _example(model: str, rows: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    features = FEATURES[model]
    return torch.zeros(rows, len(features.dense)), torch.zeros(rows, len(features.categorical), dtype=torch.int64)


def describe_inputs(model: str, sample: Inputs) -> dict[str, object]:
    """Input tensor → its columns in order, each with its feature, kind and baseline value."""
    features = FEATURES[model]
    means = sample.dense.mean(axis=0, dtype=np.float64)
    common = [int(np.bincount(column).argmax()) for column in sample.categorical.T]
    dense = [
        {"column": place, "feature": name, "kind": "dense", "baseline": float(mean), "missing": 0.0}
        for place, (name, mean) in enumerate(zip(features.dense, means, strict=True))
    ]
    categorical = [
        {"column": place, "feature": name, "kind": "categorical", "baseline": value}
        for place, (name, value) in enumerate(zip(features.categorical, common, strict=True))
    ]
    return {"model": model, "inputs": {"dense": dense, "categorical": categorical}}
