"""rollout_correlation on synthetic cubes: the guilty snapshot is named, and no other fault is laid on it."""

from datetime import timedelta

import numpy as np
import pytest

from tests.tools.cubes import BASELINE, FIRST, INCIDENT, PRODUCT, TOPLINE, WINDOW, World, build
from tests.tools.ports import InMemoryPorts
from tools.contract import Finding, Status
from tools.records import Cube, Standing, Window
from tools.rollout_correlation import TOOL, RolloutCorrelationParams, RolloutCorrelationResult

BAD = "dcn/2013-05-01"
BAD_SNAPSHOT = World(seed=3, regions=1, skill_lost=0.8, where={"model": "dcn", "snapshot": BAD})
BAD_MODEL = World(seed=1, regions=1, skill_lost=0.8, where={"model": "dcn"})


def correlate(ports: InMemoryPorts, window: Window = WINDOW, **changes: str) -> Finding:
    names = {"product": PRODUCT, "metric": TOPLINE, "model": "dcn", **changes}
    return TOOL.run(RolloutCorrelationParams(window=window, baseline=BASELINE, **names), ports)


def test_the_bad_snapshot_is_named_and_where_to_go_back_to() -> None:
    finding = correlate(build(BAD_SNAPSHOT))
    facts = finding.facts
    assert (facts["explains"], facts["snapshot"], facts["latest_snapshot"]) == (True, BAD, BAD)
    assert facts["rollback_target"] == "dcn/2013-04-30"
    assert facts["precedes_every_rollout"] is False
    assert isinstance(facts["confidence"], float)
    assert facts["confidence"] > 0.9
    assert finding.status is Status.answered


def test_the_cost_of_going_back_has_an_interval() -> None:
    finding = correlate(build(BAD_SNAPSHOT))
    result = RolloutCorrelationResult.model_validate(finding.result)
    assert {row.role for row in result.staleness} == {"topline", "log_loss"}
    assert all(row.snapshots_back == 1 and row.cost.low < row.cost.value < row.cost.high for row in result.staleness)
    assert all(abs(row.cost.value) < 0.05 for row in result.staleness)


def test_a_fault_of_the_whole_model_is_no_rollout_s() -> None:
    facts = correlate(build(BAD_MODEL)).facts
    assert (facts["explains"], facts["snapshot"]) == (False, None)
    assert facts["onset_found"] is True


def test_an_onset_before_the_rollout_precedes_it() -> None:
    early = World(seed=1, regions=1, skill_lost=0.8, where={"model": "dcn"}, starts=INCIDENT - timedelta(hours=6))
    finding = correlate(build(early))
    assert finding.facts["precedes_every_rollout"] is True
    assert finding.facts["explains"] is False
    result = RolloutCorrelationResult.model_validate(finding.result)
    assert result.onset is not None
    assert abs(result.onset - early.starts) <= timedelta(hours=2)


@pytest.mark.parametrize("first", [0, 10, 20, 30])
def test_no_rollout_is_accused_on_ordinary_days(first: int) -> None:
    for seed in range(first, first + 10):
        assert correlate(build(World(seed=seed, regions=1))).facts["explains"] is not True


def test_no_rollout_is_accused_in_a_storm() -> None:
    for seed in range(8):
        assert correlate(build(World(seed=seed, regions=1, storm=2.5)), model="mlp").facts["explains"] is not True


def test_a_rollback_skips_snapshots_that_are_not_stable() -> None:
    ports = build(BAD_SNAPSHOT)
    ports.models.all_snapshots = [
        s.model_copy(update={"standing": Standing.suspect}) if s.snapshot == "dcn/2013-04-30" else s
        for s in ports.models.all_snapshots
    ]
    finding = correlate(ports)
    assert finding.facts["rollback_target"] == "dcn/2013-04-29"
    assert all(row["snapshots_back"] == 2 for row in (finding.result or {})["staleness"])


def test_a_rollout_to_everybody_at_once_cannot_be_compared() -> None:
    ports = build(World(seed=3, regions=1))
    for key, cube in ports.metrics.cubes.items():
        newest = np.array([f"{m}/{d}" for m, d in zip(cube.dims["model"], _served(cube.ts), strict=True)])
        cube.dims["snapshot"] = newest
        ports.metrics.cubes[key] = cube
    finding = correlate(ports)
    assert finding.facts["explains"] is None
    assert finding.status is Status.inconclusive
    assert any("too few hours beside another snapshot" in note for note in finding.not_checked)


def _served(ts: np.ndarray) -> list[str]:
    """The day whose snapshot serves at each time, where it takes over everywhere at 11:00."""
    return [f"{FIRST + timedelta(days=int(d)):%Y-%m-%d}" for d in (ts - FIRST.timestamp() - 11 * 3600) // 86400]


def test_unknown_names_missing_rollouts_and_empty_windows_are_no_data() -> None:
    ports = build(World(regions=1))
    assert "no product is called 'nix'" in correlate(ports, product="nix").headline
    assert "no model is called 'nix'" in correlate(ports, model="nix").headline
    assert "no metric 'nix'" in correlate(ports, metric="nix").headline
    later = Window(start=INCIDENT + timedelta(days=90), end=INCIDENT + timedelta(days=91))
    assert correlate(ports, window=later).status is Status.no_data
    ports.models.all_rollouts.clear()
    for key, cube in ports.metrics.cubes.items():
        ports.metrics.cubes[key] = Cube(
            cube.ts, {n: v for n, v in cube.dims.items() if n != "snapshot"}, cube.numerator, cube.denominator
        )
    nothing = correlate(ports)
    assert nothing.status is Status.no_data
    assert "no snapshot of dcn rolled out" in nothing.headline


def test_the_same_input_gives_the_same_bits() -> None:
    assert correlate(build(BAD_SNAPSHOT)).model_dump_json() == correlate(build(BAD_SNAPSHOT)).model_dump_json()
