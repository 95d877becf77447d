"""A small platform that trains a real model day by day: artifacts below a snapshot root, and the records about them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from knowledge.exporting import export, save
from tools.program.graph import Column

MODEL = "late"
DAY_0 = datetime(2013, 4, 1, tzinfo=UTC)
DENSE, ROWS, BATCH, CARRIERS = 4, 1000, 100, 12
RATE = 0.05


class Late(nn.Module):
    """How late a flight will be: a table of carriers and a small multilayer perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.carrier = nn.Embedding(CARRIERS, 4)
        self.deep = nn.Sequential(nn.Linear(DENSE + 4, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, dense: torch.Tensor, carrier: torch.Tensor) -> torch.Tensor:
        scored: torch.Tensor = torch.sigmoid(self.deep(torch.cat([dense, self.carrier(carrier)], dim=1)))
        return scored.squeeze(1)


@dataclass(frozen=True)
class Day:
    """What the platform sends of a day: the training run and the snapshot it made, and the samples served before."""

    run: dict[str, Any]
    snapshot: dict[str, Any]
    samples: pa.Table


Change = Callable[[Late], None]
"""What happens to the weights between the training and the published file."""


class Platform:
    """Call `day` once for each day, in order."""

    def __init__(self, root: Path, seed: int = 0) -> None:
        self._root, self._rng = root, np.random.default_rng(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._module = Late()
        self._truth = self._rng.normal(0, 1, DENSE), self._rng.normal(0, 1, CARRIERS)
        self._number = 0
        example = (torch.zeros(3, DENSE), torch.zeros(3, dtype=torch.int64))
        self._exported = export(Late(), example)  # of a module of its own: each day's weights are written into it
        for _ in range(3):  # a model that has been trained for a while before anybody watches it
            self._train(self._rows(), RATE)

    def day(self, rate: float = RATE, change: Change | None = None) -> Day:
        """Train on a new day's rows with this learning rate, and publish what came of it."""
        number, self._number = self._number, self._number + 1
        ended = DAY_0 + timedelta(days=number, hours=9)
        name, rows = f"{MODEL}/{ended:%Y-%m-%d}", self._rows()
        samples = self._samples(ended, f"{MODEL}/{ended - timedelta(days=1):%Y-%m-%d}")
        run = self._run(name, ended, rows, self._train(rows, rate))
        published = self._publish(f"{name}.pt2", change)
        record = {
            "snapshot": name,
            "model": MODEL,
            "published_at": (ended + timedelta(minutes=20)).isoformat(),
            "artifact": published,
            "training_run": run["run"],
        }
        return Day(run, record, samples)

    def _rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Dense features, carriers, and whether late: some weather moves all of a day."""
        dense = self._rng.normal(0, 1, (ROWS, DENSE)) + self._rng.normal(0, 0.1, DENSE)
        carrier = self._rng.integers(0, CARRIERS, ROWS)
        score = dense @ self._truth[0] + self._truth[1][carrier] + self._rng.normal(0, 0.2)
        return dense.astype(np.float32), carrier, (self._rng.random(ROWS) < 1 / (1 + np.exp(-score))).astype(np.float32)

    def _train(self, rows: tuple[np.ndarray, np.ndarray, np.ndarray], rate: float) -> dict[str, list[float]]:
        dense, carrier, late = (torch.from_numpy(part) for part in rows)
        optimiser, losses, norms = torch.optim.SGD(self._module.parameters(), lr=rate), [], []
        loss_of = nn.BCELoss()
        for _ in range(2):
            for batch in torch.split(torch.from_numpy(self._rng.permutation(ROWS)), BATCH):
                optimiser.zero_grad()
                scored = self._module(dense[batch], carrier[batch]).clamp(1e-6, 1 - 1e-6)
                loss = loss_of(scored, late[batch])
                loss.backward()
                norms.append(float(nn.utils.clip_grad_norm_(self._module.parameters(), 1e9)))
                optimiser.step()
                losses.append(float(loss.detach()))
        return {"loss": losses, "gradient_norm": norms, "learning_rate": [rate] * len(losses)}

    def _run(self, snapshot: str, ended: datetime, rows: Any, curves: dict[str, list[float]]) -> dict[str, Any]:
        late, day = int(rows[2].sum()), ended - timedelta(days=1, hours=9)
        partition = {
            "dataset": "training_late",
            "partition": f"{day:%Y-%m-%d}",
            "rows": ROWS,
            "null_counts": {},
            "label_counts": {"late": late, "on_time": ROWS - late},
            "day": {"start": day.isoformat(), "end": (day + timedelta(days=1)).isoformat()},
        }
        told = [{"name": name, "steps": list(range(len(v))), "values": v} for name, v in curves.items()]
        return {
            "run": f"train_{snapshot}",
            "model": MODEL,
            "snapshot": snapshot,
            "pipeline": "train_late",
            "started_at": (ended - timedelta(hours=1)).isoformat(),
            "ended_at": ended.isoformat(),
            "parameters": {"learning_rate": str(curves["learning_rate"][0])},
            "partitions": [partition],
            "curves": told,
        }

    def _publish(self, artifact: str, change: Change | None) -> str:
        published = Late()
        published.load_state_dict(self._module.state_dict())
        if change is not None:
            change(published)
        with torch.no_grad():
            for name, value in self._exported.program.state_dict.items():
                value.copy_(published.state_dict()[name])
        columns = [Column("dense", place, f"d{place}", "dense", 0.0) for place in range(DENSE)]
        columns.append(Column("carrier", 0, "carrier", "categorical", 0))
        save(self._exported, self._root / artifact, MODEL, columns)
        return artifact

    def _samples(self, until: datetime, snapshot: str) -> pa.Table:
        dense, carrier, _ = self._rows()
        n = 200
        with torch.no_grad():
            scored = self._module(torch.from_numpy(dense[:n]), torch.from_numpy(carrier[:n])).numpy()
        ts = [until - timedelta(hours=9) + timedelta(minutes=2 * i) for i in range(n)]
        table = {
            "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
            "request_id": [f"{until:%Y%m%d}-{i}" for i in range(n)],
            "model": [MODEL] * n,
            "snapshot": [snapshot] * n,
            "prediction": scored,
            "f.carrier": carrier[:n],
        }
        return pa.table(table | {f"f.d{place}": dense[:n, place] for place in range(DENSE)})


def broken_table(model: Late) -> None:
    """A shard of the table that publishing never received."""
    with torch.no_grad():
        model.carrier.weight[::3] = float("nan")
