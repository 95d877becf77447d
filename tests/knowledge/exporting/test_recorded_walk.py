"""The graph walk on what does not export with open rows: recorded from weights, or exported with a static batch."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from knowledge.artifacts import Artifacts
from knowledge.exporting import dense, export, save
from knowledge.exporting.artifact import description
from knowledge.programs import SnapshotPrograms
from tests.tools.ports import InMemoryModels, InMemoryPorts
from tools.graph_walk import GraphWalkParams, run
from tools.records import Samples, Snapshot

FEATURES = ["distance", "wind", "visibility", "delay"]
ROWS = 64
NOON = datetime(2013, 5, 4, 12, tzinfo=UTC)


class Guarded(nn.Module):
    """A logarithm, and a condition on values that torch cannot export."""

    def __init__(self) -> None:
        super().__init__()
        self.usual, self.unusual = nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        logs = torch.log(numbers)
        layer = self.unusual if float(numbers.max()) > 1000 else self.usual
        answer: Tensor = torch.sigmoid(layer(logs)).squeeze(1)
        return answer


class Fixed(nn.Module):
    """Names the number of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.Linear(4, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        answer: Tensor = self.deep(torch.log(numbers)).view(ROWS)
        return answer


def table(bad: int) -> np.ndarray:
    """Positive numbers; the wind of the first `bad` rows is negative."""
    values = np.random.default_rng(5).uniform(1, 2, (ROWS, 4))
    values[:bad, 1] *= -1
    return values


def samples(bad: int) -> Samples:
    values = table(bad)
    ts = np.arange(ROWS) + int((NOON + timedelta(hours=1)).timestamp())
    features = {name: values[:, place] for place, name in enumerate(FEATURES)}
    return Samples(ts, np.array(["s"] * ROWS), features, np.full(ROWS, 0.5))


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InMemoryPorts]:
    """Two snapshots, `recorded` of weights alone and `static` with a static batch; samples come with the test."""
    folder = tmp_path_factory.mktemp("snapshots")
    torch.manual_seed(1)
    sample = torch.from_numpy(table(0)).float()
    columns = dense("numbers", FEATURES, sample)
    torch.save(Guarded().state_dict(), folder / "recorded.pt")
    (folder / "recorded.features.json").write_text(json.dumps(description("guarded", columns)))
    exported = export(Fixed(), (sample,))
    assert exported.step == "static batch"
    save(exported, folder / "static.pt2", "fixed", columns)
    records = [
        Snapshot(snapshot="recorded", model="guarded", published_at=NOON, artifact="recorded.pt"),
        Snapshot(snapshot="static", model="fixed", published_at=NOON, artifact="static.pt2"),
    ]
    models = InMemoryModels(all_snapshots=records)
    programs: Any = SnapshotPrograms(Artifacts([folder], models), {"guarded": f"{__name__}:Guarded"})
    yield InMemoryPorts(models=models, programs=programs)
    programs.close()


SAID = {
    "recorded": ("recorded while it ran on the rows examined", "1 times a value was read out of a tensor"),
    "static": ("export with strict=True failed", "for inputs of exactly these sizes: [64, 4]"),
}


@pytest.mark.parametrize(("snapshot", "model"), [("recorded", "guarded"), ("static", "fixed")])
def test_a_planted_fault_is_traced_and_healthy_rows_are_not_accused(
    ports: InMemoryPorts, snapshot: str, model: str
) -> None:
    ports.samples.by_model[model] = samples(3)
    finding = run(GraphWalkParams(snapshot=snapshot), ports)
    told = [finding.facts[name] for name in ("bad", "problem", "first_bad_node", "feature")]
    assert told == [True, "non_finite", "log", "wind"]
    assert finding.facts["share_affected"] == 3 / ROWS
    for part in SAID[snapshot]:
        assert any(part in text for text in finding.not_checked)

    ports.samples.by_model[model] = samples(0)
    healthy = run(GraphWalkParams(snapshot=snapshot), ports)
    assert not healthy.interesting
    assert healthy.facts["feature"] is None
