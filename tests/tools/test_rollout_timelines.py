"""rollout_correlation on timelines with a known truth, and on records and points that do not fit together."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.tools.ports import InMemoryPorts, sorted_cube
from tests.tools.scenarios import BAD, NEW, SCENARIOS, Scenario
from tests.tools.timelines import BASELINE, INCIDENT, LOSS, MODELS, PRODUCT, TOPLINE, Stage, build, time
from tools.contract import Finding, Status
from tools.records import Cube, RolloutPoint, Standing, Window
from tools.rollout_correlation import TOOL, RolloutCorrelationParams, RolloutCorrelationResult

DAILY, EVERY_THREE_DAYS, WEEKLY = SEEDS = (2001, 2002, 2003)
"""Seeds by how often the model usually rolls out."""


def ask(case: Scenario, ports: InMemoryPorts | None = None, window: Window | None = None) -> Finding:
    params = RolloutCorrelationParams(
        product=PRODUCT, metric=TOPLINE, model="asked", window=window or case.plan.window, baseline=BASELINE
    )
    return TOOL.run(params, ports or build(case.plan))


def claims(finding: Finding, bearing: str) -> list[str]:
    return [e.claim for e in finding.evidence if e.bearing == bearing]


def changed(ports: InMemoryPorts, change: Callable[[Cube], Cube]) -> InMemoryPorts:
    """The same platform with other points."""
    for key, cube in ports.metrics.cubes.items():
        ports.metrics.cubes[key] = change(cube)
    return ports


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_timeline_is_told_apart(name: str) -> None:
    cases = [SCENARIOS[name](seed) for seed in SEEDS]
    verdicts = [case.right(ask(case)) for case in cases]
    assert sum(verdicts) >= 2, verdicts


@pytest.mark.parametrize("name", [name for name, of in SCENARIOS.items() if of(0).guilty is None])
def test_nobody_is_accused_without_a_cause(name: str) -> None:
    accused = [ask(SCENARIOS[name](seed)).facts["explains"] is True for seed in range(2010, 2014)]
    assert sum(accused) == 0


def test_a_rollback_that_ends_the_fall_speaks_for_the_rollout_and_one_in_vain_against() -> None:
    ended, vain = (ask(SCENARIOS[name](EVERY_THREE_DAYS)) for name in ("rolled_back", "at_once_in_vain"))
    assert any(f"the fall ended when {BAD} was rolled back" in claim for claim in claims(ended, "for"))
    assert any(f"the fall goes on when {NEW} was rolled back" in claim for claim in claims(vain, "against"))
    assert any("after it was rolled back" in reason for reason in vain.ruled_out)


def test_of_two_rollouts_the_other_one_is_ruled_out_by_name() -> None:
    finding = ask(SCENARIOS["two_in_one_ramp"](EVERY_THREE_DAYS))
    assert finding.facts["snapshot"] == BAD
    assert not any(BAD in reason for reason in finding.ruled_out)


def test_a_rollout_to_one_region_is_found_in_the_points() -> None:
    case = SCENARIOS["one_region"](EVERY_THREE_DAYS)
    rows = RolloutCorrelationResult.model_validate(ask(case).result).rollouts
    places = {row.place for row in rows if row.snapshot == BAD}
    assert places == {f"region = {('asia', 'eu', 'us')[EVERY_THREE_DAYS % 3]}"}


def test_what_precedes_every_rollout_is_ruled_out_with_the_times() -> None:
    finding = ask(SCENARIOS["precedes"](EVERY_THREE_DAYS))
    assert finding.facts["precedes_every_rollout"] is True
    assert "before any of them" in finding.headline
    assert any(NEW in reason and "it started at 2013-04-29 11:00" in reason for reason in finding.ruled_out)


def test_rollouts_of_other_models_in_the_same_hours_are_said_to_be_unchecked() -> None:
    finding = ask(SCENARIOS["other_model"](EVERY_THREE_DAYS))
    assert any("rollout of other/bad, a snapshot of other," in note for note in finding.not_checked)


def test_the_way_back_has_its_cost_in_headline_evidence_and_result() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    finding = ask(case)
    assert finding.facts["rollback_target"] == case.target
    assert f"go back to {case.target}, whose age is expected to change" in finding.headline
    result = RolloutCorrelationResult.model_validate(finding.result)
    assert all(row.cost.low < row.cost.value < row.cost.high and row.days_older > 0 for row in result.staleness)
    assert len(result.staleness) == sum(claim.startswith("going back to") for claim in claims(finding, "context"))


def test_the_cost_is_unknown_with_the_reason_where_few_rollouts_came_before() -> None:
    finding = ask(SCENARIOS["bad_ramp"](WEEKLY))
    assert "what its age costs is unknown" in finding.headline
    assert any("unknown, fewer than 4 earlier rollouts" in note for note in finding.not_checked)


def test_without_a_sound_snapshot_there_is_nowhere_to_go_back_to() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    ports = build(case.plan)
    ports.models.all_snapshots = [
        s.model_copy(update={"standing": Standing.bad}) if s.snapshot != BAD else s for s in ports.models.all_snapshots
    ]
    finding = ask(case, ports)
    assert (finding.facts["explains"], finding.facts["rollback_target"]) == (True, None)
    assert "no snapshot to go back to: every older snapshot is suspect or bad" in finding.headline


def test_a_record_later_than_the_points_is_corrected_by_them() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    ports = build(case.plan)
    late = timedelta(hours=4)
    ports.models.all_rollouts = [
        p.model_copy(update={"ts": p.ts + late}) if p.snapshot == BAD else p for p in ports.models.all_rollouts
    ]
    finding = ask(case, ports)
    assert finding.facts["snapshot"] == BAD
    assert any(f"{BAD} serves 4 h before its rollout record" in note for note in finding.not_checked)


def test_a_rollout_stamped_minutes_after_the_fall_is_not_ruled_out_by_the_clock() -> None:
    case = SCENARIOS["at_once_in_vain"](EVERY_THREE_DAYS)
    ports = build(case.plan)
    ports.models.all_rollouts = [
        p.model_copy(update={"ts": time(INCIDENT + 1) + timedelta(minutes=3)})
        if p.ts == time(INCIDENT) and p.model == "asked"
        else p
        for p in ports.models.all_rollouts
    ]
    finding = ask(case, changed(ports, _without_snapshots), Window(start=time(INCIDENT), end=time(INCIDENT + 10)))
    assert finding.facts["explains"] is not False
    assert finding.facts["precedes_every_rollout"] is False
    assert any("clocks of rollouts and points may differ by 1 h" in e.claim for e in finding.evidence)


def _without_snapshots(cube: Cube) -> Cube:
    dims = {name: values for name, values in cube.dims.items() if name != "snapshot"}
    return Cube(cube.ts, dims, cube.numerator, cube.denominator)


def test_points_without_snapshots_cannot_be_compared_and_say_so() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    finding = ask(case, changed(build(case.plan), _without_snapshots))
    assert finding.facts["explains"] is None
    assert any("do not name the snapshot" in note for note in finding.not_checked)


def test_a_snapshot_without_a_record_is_read_from_the_points() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    ports = build(case.plan)
    ports.models.all_rollouts = [p for p in ports.models.all_rollouts if p.snapshot != BAD]
    finding = ask(case, ports)
    assert finding.facts["snapshot"] == BAD
    assert any(f"{BAD} has no rollout record" in note for note in finding.not_checked)


def test_a_recorded_snapshot_without_points_is_not_checked() -> None:
    case = SCENARIOS["whole_model"](EVERY_THREE_DAYS)
    ports = build(case.plan)
    ghost = RolloutPoint(model="asked", snapshot="asked/ghost", arm="early", ts=time(INCIDENT), share=0.5)
    ports.models.all_rollouts.append(ghost)
    finding = ask(case, ports)
    assert not any("asked/ghost" in claim for claim in claims(finding, "for"))
    said = (*finding.not_checked, *finding.ruled_out)
    assert any("asked/ghost" in note for note in said)
    assert any("the recorded shares of arm early add up to 1.5" in note for note in finding.not_checked)


def test_a_model_whose_snapshot_never_changed_has_no_rollout_to_blame() -> None:
    case = SCENARIOS["whole_model"](EVERY_THREE_DAYS)
    stages = {**case.plan.stages, "asked": [Stage("asked/0", 0, 1.0)]}
    finding = ask(replace(case, plan=replace(case.plan, stages=stages)))
    assert (finding.status, finding.facts["explains"]) == (Status.answered, False)
    assert finding.facts["latest_snapshot"] == "asked/0"
    assert "asked/0 served throughout" in finding.headline


def test_an_only_model_is_compared_with_itself() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    ports = changed(build(case.plan), lambda cube: cube.where(cube.dims["model"] == "asked"))
    for other in MODELS[1:]:
        del ports.models.by_name[other]
    finding = ask(case, ports)
    assert finding.facts["snapshot"] == BAD
    assert finding.facts["onset_found"] is None


def test_nan_inf_zero_and_repeated_points_change_nothing() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    clean = ask(case)

    def spoil(cube: Cube) -> Cube:
        """After each hundredth row the same again, before it a row of nothing that can be divided by."""
        some = np.arange(0, len(cube), 100)
        twin, nothing = cube.where(some), cube.where(some + 1)
        bad = np.resize([np.nan, np.inf, 0.0], len(some))
        arms = {**nothing.dims, "arm": np.full(len(some), "none")}
        rows = [cube, twin, Cube(nothing.ts, arms, np.where(bad == 0, 0.0, 1.0), bad)]
        dims = {name: np.concatenate([r.dims[name] for r in rows]) for name in cube.dims}
        columns = [np.concatenate([getattr(r, c) for r in rows]) for c in ("ts", "numerator", "denominator")]
        return sorted_cube(Cube(columns[0], dims, columns[1], columns[2]))

    spoilt = ask(case, changed(build(case.plan), spoil))
    assert spoilt.facts["explains"] is True
    assert spoilt.facts["snapshot"] == clean.facts["snapshot"]
    rows = [RolloutCorrelationResult.model_validate(f.result).rollouts for f in (clean, spoilt)]
    for before, after in zip(*rows, strict=True):
        assert after.concurrent.value == pytest.approx(before.concurrent.value, rel=1e-6)


def test_a_metric_that_is_nan_throughout_is_no_traceback() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)

    def lost(cube: Cube) -> Cube:
        return Cube(cube.ts, cube.dims, np.full(len(cube), np.nan), cube.denominator)

    finding = ask(case, changed(build(case.plan), lost))
    assert finding.status is Status.no_data
    assert "that are numbers; check the window" in finding.headline


def test_a_zero_log_loss_leaves_the_top_line() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    ports = build(case.plan)
    cube = ports.metrics.cubes[PRODUCT, LOSS]
    ports.metrics.cubes[PRODUCT, LOSS] = Cube(cube.ts, cube.dims, np.zeros(len(cube)), cube.denominator)
    assert ask(case, ports).facts["snapshot"] == BAD


def test_half_an_hour_is_too_short_and_no_traceback() -> None:
    case = SCENARIOS["bad_ramp"](EVERY_THREE_DAYS)
    short = Window(start=time(INCIDENT + 5), end=time(INCIDENT + 5) + timedelta(minutes=30))
    finding = ask(case, window=short)
    assert finding.status in (Status.answered, Status.inconclusive)
    assert finding.facts["snapshot"] in (None, BAD)
