"""Planted training faults are named; storms and chance are not."""

import numpy as np
import pytest

from tests.tools.ports import InMemoryPorts
from tests.tools.trained import BASELINE, LAST, STEPS, WINDOW, change, change_partition, invert, trained
from tools.contract import Finding, Status
from tools.records import Cube
from tools.training_data import TOOL, TrainingDataParams


def answer(ports: InMemoryPorts, model: str = "badge_dcn", night: int = LAST, product: str = "badge") -> Finding:
    params = TrainingDataParams(snapshot=f"{model}/{night:02d}", product=product, window=WINDOW, baseline=BASELINE)
    return TOOL.run(params, ports)


def problems(finding: Finding) -> tuple[object, object]:
    return finding.facts["partition_problem"], finding.facts["curve_problem"]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("storm", [False, True])
def test_sound_trainings_are_not_accused_not_even_after_a_storm(seed: int, storm: bool) -> None:
    ports = trained(seed, storm)
    for model in ("badge_dcn", "badge_mlp"):
        finding = answer(ports, model)
        assert finding.status is Status.answered
        assert problems(finding) == ("none", "none"), finding.headline
        assert finding.facts["confidence"] == pytest.approx(0.95)
        assert finding.facts["pipeline"] == f"train_{model}"
        assert finding.ruled_out


@pytest.mark.parametrize("seed", range(5))
def test_inverted_labels_are_found_in_their_partition_and_only_there(seed: int) -> None:
    ports = trained(seed)
    invert(ports)
    finding = answer(ports)
    assert problems(finding) == ("labels", "none")
    assert finding.facts["partition"] == "flights:training_badge_dcn/2013-05-04"
    assert isinstance(finding.facts["confidence"], float)
    assert finding.facts["confidence"] > 0.9
    assert finding.evidence[0].bearing == "for"
    assert problems(answer(ports, "badge_mlp")) == ("none", "none")
    assert problems(answer(ports, "badge_dcn", LAST - 1)) == ("none", "none")


def test_inverted_labels_on_a_day_when_half_are_late_are_found_by_the_auc_against_the_other_model() -> None:
    ports = trained(3)
    change_partition(ports, label_counts={"late": 2000, "on_time": 2000})
    cube = ports.metrics.cubes["badge", "label_rate"]
    last_day = cube.ts >= cube.ts.max() - 23 * 3600
    late = np.where(last_day, 30.0, cube.numerator)
    ports.metrics.cubes["badge", "label_rate"] = Cube(cube.ts, cube.dims, late, cube.denominator)
    assert problems(answer(ports)) == ("none", "none")
    change(ports, eval__auc_before=np.array([0.31]))
    assert problems(answer(ports)) == ("labels", "none")


def test_labels_that_are_wrong_for_every_model_are_found_too() -> None:
    ports = trained(1)
    for model in ("badge_dcn", "badge_mlp"):
        invert(ports, model)
    assert problems(answer(ports)) == problems(answer(ports, "badge_mlp")) == ("labels", "none")


@pytest.mark.parametrize(("positive", "negative"), [("1", "0"), ("0", "1"), ("true", "false")])
def test_the_names_of_the_labels_do_not_matter(positive: str, negative: str) -> None:
    ports = trained(2)
    invert(ports)
    for name, run in ports.training.by_run.items():
        counts = run.partitions[0].label_counts
        renamed = {positive: counts["late"], negative: counts["on_time"]}
        partition = run.partitions[0].model_copy(update={"label_counts": renamed})
        ports.training.by_run[name] = run.model_copy(update={"partitions": (partition,)})
    assert problems(answer(ports)) == ("labels", "none")
    assert problems(answer(ports, "badge_mlp")) == ("none", "none")


def test_a_learning_rate_fifty_times_larger_is_named_before_the_divergence_that_it_causes() -> None:
    ports = trained(0)
    change(ports, learning_rate=np.full(STEPS, 1.0), loss=np.linspace(0.5, 6.0, STEPS))
    finding = answer(ports)
    assert problems(finding) == ("none", "learning_rate")
    assert "50 times" in finding.headline
    assert {item.method for item in finding.evidence if item.bearing == "for"}


def test_a_learning_rate_that_only_the_parameters_tell() -> None:
    ports = trained(0)
    for name, run in ports.training.by_run.items():
        rate = "1.0" if name == f"train_badge_dcn/{LAST:02d}" else "0.02"
        curves = tuple(c for c in run.curves if c.name != "learning_rate")
        ports.training.by_run[name] = run.model_copy(update={"curves": curves, "parameters": {"learning_rate": rate}})
    assert problems(answer(ports)) == ("none", "learning_rate")


@pytest.mark.parametrize(
    ("curves", "problem"),
    [
        ({"loss": np.linspace(0.5, 6.0, STEPS)}, "diverged"),
        ({"gradient_norm": np.full(STEPS, 400.0)}, "diverged"),
        ({"loss": np.append(np.full(STEPS - 1, 0.5), np.nan)}, "non_finite"),
        ({"gradient_norm": np.append(np.full(STEPS - 1, 0.3), np.inf)}, "non_finite"),
        ({"loss": np.full(9, 0.5), "gradient_norm": np.full(9, 0.3)}, "stopped_early"),
    ],
)
def test_faults_of_the_curves(curves: dict[str, np.ndarray], problem: str) -> None:
    ports = trained(0)
    change(ports, "badge_dcn", LAST, **curves)
    finding = answer(ports)
    assert problems(finding) == ("none", problem)
    assert finding.interesting
    assert finding.charts
    assert all(item.sources for item in finding.evidence)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"rows": 300, "label_counts": {}, "null_counts": {}}, "volume"),
        ({"rows": 40_000, "label_counts": {}}, "volume"),
        ({"null_counts": {"wind": 1300, "seats": 640}}, "nulls"),
        ({"null_counts": {"wind": 40, "seats": 860}}, "nulls"),
        ({"duplicates": 1200}, "none"),
    ],
)
def test_faults_of_the_partition(fields: dict[str, object], problem: str) -> None:
    ports = trained(0)
    change_partition(ports, "badge_dcn", LAST, **fields)
    assert answer(ports).facts["partition_problem"] == problem


def test_nulls_that_swing_from_day_to_day_are_a_habit() -> None:
    ports, rng = trained(0), np.random.default_rng(3)
    for night in range(LAST):
        share = 0.16 * np.exp(rng.normal(0, 0.5))
        change_partition(ports, "badge_dcn", night, null_counts={"wind": 40, "seats": int(4000 * share)})
    change_partition(ports, "badge_dcn", LAST, null_counts={"wind": 40, "seats": 1200})
    assert problems(answer(ports)) == ("none", "none")


def test_missing_records_are_said_and_never_an_exception() -> None:
    ports = trained(0)
    unknown = answer(ports, "nobody")
    assert (unknown.status, "nobody/21" in unknown.headline) == (Status.no_data, True)
    first = answer(ports, night=0)
    assert first.status is Status.inconclusive
    assert first.would_settle
    ports.models.all_snapshots[LAST] = ports.models.all_snapshots[LAST].model_copy(update={"training_run": "gone"})
    assert "'gone'" in answer(ports).headline
    ports.models.all_snapshots[LAST] = ports.models.all_snapshots[LAST].model_copy(update={"training_run": None})
    assert answer(ports).status is Status.no_data


def test_bare_records_are_judged_by_what_they_hold() -> None:
    ports = trained(0)
    for name, run in ports.training.by_run.items():
        ports.training.by_run[name] = run.model_copy(update={"curves": (), "partitions": ()})
    finding = answer(ports, product="unknown")
    assert finding.status is Status.answered
    assert problems(finding) == (None, "none")
    assert finding.facts["confidence"] == pytest.approx(0.95 / 4)
    assert finding.not_checked


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, 1e308])
def test_odd_values_in_evaluations_and_served_labels_accuse_nobody(value: float) -> None:
    ports = trained(0)
    change(ports, eval__auc_before=np.array([np.nan]))
    cube = ports.metrics.cubes["badge", "label_rate"]
    ports.metrics.cubes["badge", "label_rate"] = Cube(cube.ts, cube.dims, np.full(len(cube), value), cube.denominator)
    assert problems(answer(ports)) == ("none", "none")


def test_the_same_bits_twice() -> None:
    assert answer(trained(4)).model_dump_json() == answer(trained(4)).model_dump_json()
