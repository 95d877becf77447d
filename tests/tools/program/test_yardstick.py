"""What is usual of a value: learnt from the stable snapshot, on the same rows and on earlier ones."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tools import walked
from tools.program.runs import Run, run
from tools.program.yardstick import FACTOR, RowMaxima, Yardstick, measure, tail_bound, twins


@pytest.mark.parametrize("tail", [1.0, 2.0, 4.0])
def test_the_bound_on_a_power_law_is_hardly_ever_exceeded(tail: float) -> None:
    """512 earlier rows, 512 new ones: none of them beyond the bound in 98% of draws, however heavy the tail."""
    rng = np.random.default_rng(int(tail))
    beyond = [
        rng.pareto(tail, 512).max() + 1 > max(FACTOR * before.max(), tail_bound(before))
        for before in (rng.pareto(tail, 512) + 1 for _ in range(500))
    ]
    assert np.mean(beyond) <= 0.02


def test_the_bound_of_a_calm_value_is_not_far() -> None:
    calm = np.abs(np.random.default_rng(0).normal(size=512))
    assert tail_bound(calm) < 20 * np.quantile(calm, 0.99)
    assert tail_bound(np.zeros(5)) == 0


def measured(earlier: RowMaxima | None = None, thousandfold: bool = False) -> Yardstick:
    line = walked.line("dlrm", 3, seed=1)
    dense, ids = line.rows(1, 200)
    dense[:, 0] *= 1000 if thousandfold else 1
    found = run(line.at(1), walked.samples(dense, ids))
    assert isinstance(found, Run)
    return measure(found.program, found.program, found.ranges, earlier)


def test_limits_are_ten_times_the_largest_and_relu_takes_over_its_input() -> None:
    line = walked.line("dlrm", 3, seed=1)
    found = run(line.at(1), walked.samples(*line.rows(1, 200)))
    assert isinstance(found, Run)
    limits = measured().limits
    assert limits["linear"] == (-10 * found.ranges["linear"].largest, 10 * found.ranges["linear"].largest)
    assert limits["relu"] == limits["linear"]
    weight = next(value for value, name in found.program.weight_names.items() if name == "bottom.0.weight")
    assert limits[weight][1] == pytest.approx(10 * float(found.program.weights[weight].abs().max()))


def test_rows_out_of_all_proportion_do_not_set_the_measure() -> None:
    usual = measured()
    assert measured(thousandfold=True).limits["dense"][1] > 100 * usual.limits["dense"][1]
    line = walked.line("dlrm", 3, seed=1)
    before = run(line.at(1), walked.samples(*line.rows(0, 200)))
    assert isinstance(before, Run)
    maxima = RowMaxima(200)
    maxima.take("dense", before.rows.inputs[0])
    before.interpreter.run(before.rows.inputs, watch=maxima)
    held = measured(maxima, thousandfold=True)
    assert held.limits["dense"][1] < 10 * usual.limits["dense"][1]
    assert held.earlier == 200


def test_twins_are_found_by_module_and_operator_when_a_node_is_more() -> None:
    program = walked.line("dlrm", 3, seed=1).program
    shorter = replace(program, nodes=tuple(replace(node, index=place) for place, node in enumerate(program.nodes[1:])))
    renamed = replace(
        shorter, nodes=tuple(replace(n, outputs=tuple(f"{o}_x" for o in n.outputs)) for n in shorter.nodes)
    )
    found = twins(program, renamed)
    gone = program.nodes[0].outputs[0]
    assert gone not in found
    assert found["linear"] == "linear_x"
    assert found["dense"] == "dense"
