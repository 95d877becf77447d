"""snapshot_diff: each kind of fault planted in a line of snapshots of a small model, and normal days left in peace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.tools.ports import InMemoryModels, InMemoryPorts, InMemoryWeights
from tools.contract import Finding, Status
from tools.ports import UnreadableArtifact
from tools.records import Snapshot, Standing
from tools.snapshot_diff import TOOL, SnapshotDiffParams

START = datetime(2013, 5, 1, 9, tzinfo=UTC)
SHAPES = {"table.weight": (200, 6), "dense.weight": (24, 24), "dense.bias": (24,), "out.weight": (1, 24), "scale": (9,)}
Weights = dict[str, np.ndarray]
Fault = Callable[[Weights, Weights], Weights]


def line(
    days: int, seed: int, fault: Fault | None = None, storm: int | None = None, factor: float = 2.0
) -> list[Weights]:
    """Weights day by day: steps of a usual size with lognormal swings; `storm` is a day with a larger step."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    out = [weights]
    for day in range(1, days):
        size = 0.05 * np.exp(rng.normal(0, 0.25)) * (factor if day == storm else 1)
        weights = {
            name: value if name == "scale" else (value + size * rng.normal(size=value.shape)).astype(np.float32)
            for name, value in weights.items()
        }
        out.append(weights)
    if fault:
        out[-1] = fault(out[-2], dict(out[-1]))
    return out


def ports(weights: list[Weights], standings: dict[int, Standing] | None = None) -> InMemoryPorts:
    snapshots = [
        Snapshot(
            snapshot=f"m/{day:02}",
            model="m",
            published_at=START + timedelta(days=day),
            standing=(standings or {}).get(day, Standing.stable),
        )
        for day in range(len(weights))
    ]
    by_snapshot = {f"m/{day:02}": value for day, value in enumerate(weights)}
    return InMemoryPorts(models=InMemoryModels(all_snapshots=snapshots), weights=InMemoryWeights(by_snapshot))


def ask(weights: list[Weights], against: str | None = None) -> Finding:
    return TOOL.run(SnapshotDiffParams(snapshot=f"m/{len(weights) - 1:02}", against=against), ports(weights))


def fifty_times(before: Weights, after: Weights) -> Weights:
    return {name: before[name] + 50 * (after[name] - before[name]) for name in after}


def with_nan(before: Weights, after: Weights) -> Weights:
    return {**after, "dense.weight": np.where(after["dense.weight"] > 2, np.nan, after["dense.weight"])}


def stale(before: Weights, after: Weights) -> Weights:
    return dict(before)


def half_loaded(before: Weights, after: Weights) -> Weights:
    return {**after, "table.weight": before["table.weight"]}


def reset(before: Weights, after: Weights) -> Weights:
    fresh = np.random.default_rng(9).normal(size=SHAPES["table.weight"])
    return {**after, "table.weight": fresh.astype(np.float32)}


def cast(before: Weights, after: Weights) -> Weights:
    return {name: value.astype(np.float16).astype(np.float32) for name, value in after.items()}


def widened(before: Weights, after: Weights) -> Weights:
    return {**after, "out.weight": np.zeros((1, 25), np.float32)}


@pytest.mark.parametrize(
    ("fault", "story", "tensor"),
    [
        (fifty_times, "diverged", None),
        (with_nan, "non_finite", "dense.weight"),
        (stale, "stale", None),
        (half_loaded, "partial_load", "table.weight"),
        (reset, "table_reset", "table.weight"),
        (cast, "cast", None),
        (widened, "architecture", "out.weight"),
    ],
)
def test_each_fault_has_its_story(fault: Fault, story: str, tensor: str | None) -> None:
    found = ask(line(22, seed=1, fault=fault))
    assert (found.status, found.facts["unusual"], found.facts["story"]) == (Status.answered, True, story)
    assert tensor is None or found.facts["tensor"] == tensor
    assert found.facts["against"] == "m/20"
    confidence = found.facts["confidence"]
    assert isinstance(confidence, float)
    assert confidence > 0.9
    assert found.evidence


@pytest.mark.parametrize("seed", range(20))
def test_a_normal_day_and_a_storm_are_ordinary(seed: int) -> None:
    for storm in (None, 21):
        found = ask(line(22, seed=seed, storm=storm))
        assert (found.facts["unusual"], found.facts["story"]) == (False, "ordinary")
        assert found.ruled_out


def test_a_burst_in_one_tensor_is_no_divergence() -> None:
    def burst(before: Weights, after: Weights) -> Weights:
        name = "dense.weight"
        return {**after, name: before[name] + 40 * (after[name] - before[name])}

    found = ask(line(22, seed=1, fault=burst))
    assert (found.facts["unusual"], found.facts["story"]) == (True, "one_tensor")
    assert found.facts["tensor"] == "dense.weight"
    assert found.evidence[0].bearing == "for"


def test_a_storm_in_the_past_does_not_hide_a_divergence() -> None:
    assert ask(line(22, seed=2, fault=fifty_times, storm=10)).facts["story"] == "diverged"


@pytest.mark.parametrize("days", [2, 6])
def test_a_short_history_is_inconclusive_and_says_what_is_missing(days: int) -> None:
    found = ask(line(days, seed=3, fault=fifty_times))
    assert (found.status, found.facts["unusual"]) == (Status.inconclusive, None)
    assert found.would_settle


def test_broken_numbers_need_no_history() -> None:
    assert ask(line(2, seed=3, fault=with_nan)).facts["story"] == "non_finite"


def test_pairs_as_far_apart_are_compared_and_bad_ones_teach_nothing() -> None:
    weights = line(22, seed=4)
    weights[12] = {name: value * 40 for name, value in weights[12].items()}
    weights[-1] = fifty_times(weights[-3], weights[-1])
    world = ports(weights, {12: Standing.bad, 20: Standing.candidate})
    found = TOOL.run(SnapshotDiffParams(snapshot="m/21"), world)
    assert found.facts["against"] == "m/19"
    assert found.facts["story"] == "diverged"
    assert found.result is not None
    pairs = [tuple(pair) for pair in found.result["history"]]
    assert ("m/08", "m/10") in pairs
    assert not any("m/12" in pair for pair in pairs)


def test_what_cannot_be_asked_is_no_data_with_the_reason() -> None:
    world = ports(line(8, seed=5))
    world.weights.unreadable["m/07"] = UnreadableArtifact("m/07.pt2 is refused: entry 'x': it is pickled")
    for params, reason in (
        (SnapshotDiffParams(snapshot="m/99"), "no snapshot is called"),
        (SnapshotDiffParams(snapshot="m/00"), "first snapshot"),
        (SnapshotDiffParams(snapshot="m/03", against="m/05"), "name an earlier one"),
        (SnapshotDiffParams(snapshot="m/07"), "pickled"),
    ):
        found = TOOL.run(params, world)
        assert found.status is Status.no_data
        assert reason in found.headline
    del world.weights.by_snapshot["m/05"]
    assert "no weights to read" in TOOL.run(SnapshotDiffParams(snapshot="m/05"), world).headline


def test_an_unreadable_one_in_the_past_is_left_out_and_said() -> None:
    world = ports(line(22, seed=6, fault=fifty_times))
    world.weights.unreadable["m/10"] = UnreadableArtifact("m/10.pt2 is refused")
    found = TOOL.run(SnapshotDiffParams(snapshot="m/21"), world)
    assert found.facts["story"] == "diverged"
    assert len(found.not_checked) == 2


def test_the_same_bits_twice_and_a_trip_through_json() -> None:
    weights = line(22, seed=7, fault=with_nan)
    first, second = ask(weights).model_dump_json(), ask(weights).model_dump_json()
    assert first == second
    assert Finding.model_validate_json(first).model_dump_json() == first
