"""A mix of values that moved is told from one that drifts, and from a weekend that comes every week."""

import numpy as np
import pytest

from tests.benchmarks.ranking_null import answer
from tests.benchmarks.ranking_world import Change, Rows, World


def states(world: World, change: Change | None = None) -> dict[str, dict[str, object]]:
    finding = answer(world, change)
    assert finding.result is not None
    assert finding.facts["broken"] is False
    return {state["feature"]: {**state, "claims": " ".join(e.claim for e in finding.evidence)}
            for state in finding.result["features"]}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_drifting_ids_did_not_move_and_a_new_favourite_did(seed: int) -> None:
    world = World(seed, 3, 14, 24, weekday=5, kinds=("id_category",), per_hour=25)
    assert not any(state["shifted"] for state in states(world).values())

    def favour(rows: Rows, hour: np.ndarray, first: int) -> None:
        chosen = (hour >= first) & (np.random.default_rng(seed).random(len(hour)) < 0.5)
        values, counts = np.unique(rows[hour < first // 2, 2], return_counts=True)
        rows[chosen, 2] = values[np.argmin(counts)]

    found = states(world, favour)
    assert [name for name, state in found.items() if state["shifted"]] == ["id_category_0002"]
    state = found["id_category_0002"]
    assert "went from" in str(state["claims"])
    assert "different values" in str(state["claims"])
    assert isinstance(state["wasserstein"], float)
    assert state["wasserstein"] > 0.1
