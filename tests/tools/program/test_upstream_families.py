"""Traces through models of the literature: no healthy row is accused, and a spoiled row of a table is found."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.models.families import FAMILIES
from tests.tools.program.exported import export
from tests.tools.program.tracing import NAN, run

ROWS = 24


@pytest.mark.parametrize("family", ["AutoInt", "DCN-V2", "FiBiNET", "PNN", "xDeepFM"])
def test_a_row_of_a_table_is_found_through_the_model(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = FAMILIES[family]
    program = export(made.make().eval(), made.batch(4, torch.Generator().manual_seed(0)), tmp_path)
    inputs = made.batch(ROWS, torch.Generator().manual_seed(1))
    healthy = run(program, *inputs)
    assert (healthy.origin, healthy.causes, healthy.rows_bad) == (None, (), ())
    ids = next(value for value in inputs if not value.is_floating_point())
    value, name = next(
        (value, name) for value, name in program.weight_names.items() if name.endswith("tables.0.weight")
    )
    place = int(ids[7, 0])
    table = program.weights[value].clone()
    table[place] = NAN
    answer = run(replace(program, weights={**program.weights, value: table}), *inputs)
    rows = tuple((ids[:, 0] == place).nonzero()[:, 0].tolist())
    assert (answer.origin, [(weight.name, weight.places) for weight in answer.weights]) == (
        "weight",
        [(name, (place,))],
    )
    assert [(cause.columns, cause.rows, cause.values[0]) for cause in answer.causes] == [((0,), rows, (float(place),))]
    assert answer.rows_bad == rows
    assert answer.unsettled == ()
