"""The graph collapsed by module."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import torch

from tests.models.dlrm import DLRM
from tests.tools import walked
from tools.program.graph import Program
from tools.program.modules import INPUTS, MOST, Picture, picture
from tools.program.runs import Run, run
from tools.program.yardstick import measure


def pictured(program: Program, stable: Program, plant_nan: bool = False) -> Picture:
    dense, ids = walked.draw(1, 1, 64)
    if plant_nan:
        dense[3, 0] = np.nan
    rows = walked.samples(dense, ids)
    now, before = run(program, rows), run(stable, rows)
    assert isinstance(now, Run)
    assert isinstance(before, Run)
    return picture(now, before, measure(now.program, before.program, before.ranges, None))


def test_boxes_edges_and_ranges_of_both_snapshots() -> None:
    line = walked.line("dlrm", 3, seed=1)
    found = pictured(line.at(2), line.at(1))
    boxes = {box.module: box for box in found.boxes}
    assert found.boxes[0].module == INPUTS
    assert {"bottom.0", "bottom.1", "top.0", "tables.0"} <= set(boxes)
    assert boxes["bottom.0"].module_class == "Linear"
    assert boxes["bottom.0"].low < 0 < boxes["bottom.0"].high
    assert boxes["bottom.0"].stable_high != boxes["bottom.0"].high
    assert 0 < boxes["bottom.1"].zeros < 1
    assert ("bottom.0", "bottom.1", 1) in found.edges
    assert boxes["bottom.1"].depth == boxes["bottom.0"].depth + 1
    assert sum(box.operators for box in found.boxes) == len(line.program.nodes)
    assert {name for edge in found.edges for name in edge[:2]} <= set(boxes)


def test_bad_values_are_counted_where_they_are() -> None:
    line = walked.line("dlrm", 3, seed=1)
    boxes = {box.module: box for box in pictured(line.at(2), line.at(1), plant_nan=True).boxes}
    assert boxes[INPUTS].bad == 1
    assert boxes["bottom.0"].bad == 1
    assert boxes["tables.0"].bad == 0
    assert np.isnan(boxes["bottom.0"].low)


def test_modules_that_are_alike_are_one_box_unless_one_is_bad() -> None:
    module = DLRM(fields=6)
    line = walked.Line(walked.exported(module, fields=6), [module.state_dict()], 1)
    dense, _ = walked.draw(1, 1, 64)
    ids = np.random.default_rng(0).integers(0, 20, (64, 6))
    rows = walked.samples(dense, ids)
    now = run(line.at(0), rows)
    assert isinstance(now, Run)
    folded = {box.module: box for box in picture(now).boxes}
    assert folded["tables.*"].copies == 6

    def fault(state: dict[str, torch.Tensor]) -> None:
        state["tables.2.weight"][:] = torch.nan

    broken = run(line.at(0, fault), rows)
    assert isinstance(broken, Run)
    apart = {box.module: box for box in picture(broken).boxes}
    assert (apart["tables.*"].copies, apart["tables.2"].bad) == (5, 1)


def test_a_graph_without_modules_stays_small_enough_to_look_at() -> None:
    line = walked.line("dlrm", 3, seed=1)
    bare = replace(line.program, nodes=tuple(replace(node, module=None) for node in line.program.nodes))
    found = run(bare, walked.samples(*walked.draw(1, 1, 64), walked.START + timedelta(days=1)))
    assert isinstance(found, Run)
    assert 1 < len(picture(found).boxes) <= MOST
