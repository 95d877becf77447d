"""Finite extremes: followed by gradients where there are any, by replacing where there are none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tools.program.exported import export
from tests.tools.program.tracing import causes, operator, run
from tools.program.badness import Badness
from tools.program.graph import Node, Program
from tools.program.interpreter import Interpreter


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def limits_of(program: Program, healthy: Sequence[Tensor], share: float = 1.0) -> Badness:
    """What healthy rows give, twice as wide."""
    limits: dict[str, tuple[float, float]] = {}

    def watch(node: Node, result: object) -> None:
        if isinstance(result, Tensor) and result.is_floating_point() and isinstance(node.outputs[0], str):
            low, high = float(result.min()), float(result.max())
            limits[node.outputs[0]] = (low - share * (high - low), high + share * (high - low))

    Interpreter(program).run(healthy, watch=watch)
    return Badness("extreme", limits)


class Ranker(nn.Module):
    """Twenty numbers and three ids, of which a net makes a probability."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(50, 4) for _ in range(3))
        self.first, self.last = nn.Linear(20 + 12, 16), nn.Linear(16, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        rows = [table(ids[:, place]) for place, table in enumerate(self.tables)]
        return torch.sigmoid(self.last(torch.relu(self.first(torch.cat([dense, *rows], 1))))).squeeze(1)


class TestExtremes:
    def rows(self) -> tuple[Tensor, Tensor]:
        return torch.rand(40, 20), torch.randint(0, 49, (40, 3))

    def test_a_dense_value_out_of_scale(self, tmp_path: Path) -> None:
        healthy = self.rows()
        program = export(Ranker().eval(), healthy, tmp_path)
        bad = limits_of(program, healthy)
        assert run(program, *healthy, bad=bad).origin is None
        dense, ids = healthy[0].clone(), healthy[1]
        dense[[3, 8], 11] = 1000.0
        answer = run(program, dense, ids, bad=bad)
        assert answer.origin == "operator"
        assert causes(answer) == [("dense", (11,), (3, 8))]
        assert (answer.causes[0].sufficient, answer.causes[0].necessary) == (True, True)

    def test_an_id_whose_row_of_the_table_is_out_of_scale(self, tmp_path: Path) -> None:
        healthy = self.rows()
        module = Ranker().eval()
        table = module.tables[1]
        assert isinstance(table, nn.Embedding)
        table.weight.data[49] *= 1e4
        program = export(module, healthy, tmp_path)
        bad = limits_of(program, healthy)
        assert run(program, *healthy, bad=bad).origin is None
        dense, ids = healthy[0], healthy[1].clone()
        ids[6, 1] = 49
        answer = run(program, dense, ids, bad=bad)
        assert causes(answer) == [("ids", (1,), (6,))]

    def test_a_weight_beyond_its_limits_is_named_and_no_feature(self, tmp_path: Path) -> None:
        healthy = self.rows()
        module = Ranker().eval()
        program = export(module, healthy, tmp_path)
        bad = limits_of(program, healthy)
        name = next(value for value, known in program.weight_names.items() if known == "first.weight")
        size = float(program.weights[name].abs().max())
        limits = {**bad.limits, name: (-10 * size, 10 * size)}
        spoiled = replace(program, weights={**program.weights, name: program.weights[name] * 50})
        answer = run(spoiled, *healthy, bad=Badness("extreme", limits))
        assert (answer.origin, answer.causes) == ("weight", ())
        assert [weight.name for weight in answer.weights] == ["first.weight"]

    def test_an_extreme_that_no_output_depends_on_is_not_accused(self, tmp_path: Path) -> None:
        class Clamped(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return torch.clamp(torch.exp(x).sum(1), 0, 10)

        healthy = (torch.rand(20, 3) + 5,)
        program = export(Clamped().eval(), healthy, tmp_path)
        x = healthy[0].clone()
        x[4, 1] = 20.0
        answer = run(program, x, bad=limits_of(program, healthy))
        assert (answer.origin, answer.causes, answer.rows_bad) == (None, (), ())
        assert [operator(program, index) for index in answer.absorbed] == ["exp"]
