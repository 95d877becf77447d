"""Comparisons of snapshots are kept, and never used for another file, function or version."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from knowledge.artifacts import Artifacts
from knowledge.compared_weights import ComparedWeights
from tests.tools.ports import InMemoryModels
from tools.ports import UnreadableArtifact
from tools.records import Snapshot

Weights = Mapping[str, np.ndarray]
CALLS: list[float] = []


def moved(before: Weights, after: Weights) -> str:
    """How far the one tensor moved; notes that it was asked."""
    CALLS.append(float(after["w"][0] - before["w"][0]))
    return json.dumps(CALLS[-1])


def doubled(before: Weights, after: Weights) -> str:
    return json.dumps(2 * float(after["w"][0] - before["w"][0]))


def write(root: Path, name: str, value: float) -> None:
    torch.save({"w": torch.full((3,), value)}, root / f"{name}.pt")


@pytest.fixture
def weights(tmp_path: Path) -> ComparedWeights:
    CALLS.clear()
    for name, value in (("a", 1.0), ("b", 3.0)):
        write(tmp_path, name, value)
    at = datetime(2013, 5, 4, tzinfo=UTC)
    line = [
        Snapshot(snapshot=name, model="m", published_at=at + timedelta(days=day), artifact=artifact)
        for day, (name, artifact) in enumerate([("a", "a.pt"), ("b", "b.pt"), ("bare", None), ("lost", "lost.pt")])
    ]
    return ComparedWeights(Artifacts([tmp_path], InMemoryModels(all_snapshots=line)), tmp_path / "compared")


def test_the_second_time_nothing_is_computed(weights: ComparedWeights) -> None:
    assert [weights.compared("a", "b", moved, 1) for _ in range(3)] == ["2.0"] * 3
    assert CALLS == [2.0]


def test_another_order_function_version_or_file_is_another_comparison(weights: ComparedWeights, tmp_path: Path) -> None:
    assert weights.compared("a", "b", moved, 1) == "2.0"
    assert weights.compared("b", "a", moved, 1) == "-2.0"
    assert weights.compared("a", "b", doubled, 1) == "4.0"
    assert weights.compared("a", "b", moved, 2) == "2.0"
    write(tmp_path, "b", 8.0)
    assert weights.compared("a", "b", moved, 1) == "7.0"
    assert CALLS == [2.0, -2.0, 2.0, 7.0]


def test_what_is_not_there_is_said(weights: ComparedWeights) -> None:
    assert weights.compared("a", "bare", moved, 1) is None
    assert weights.compared("nobody", "a", moved, 1) is None
    with pytest.raises(UnreadableArtifact, match="not below a snapshot root"):
        weights.compared("a", "lost", moved, 1)
    assert not CALLS
