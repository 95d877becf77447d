"""What operators make of good values, what weights make of any, and where it cannot be told."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tools.program.exported import export
from tests.tools.program.tracing import causes, operator, run
from tools.program.graph import Column


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class TestOperatorsAndWeights:
    def test_an_overflow_in_half_precision(self, tmp_path: Path) -> None:
        module = self.Half().half().eval()
        x = torch.randn(20, 6).half()
        program = export(module, (x,), tmp_path)
        assert run(program, x).origin is None
        x[4, 1] = 3e4
        answer = run(program, x)
        assert (answer.origin, operator(program, answer.node)) == ("operator", "square")
        assert causes(answer) == [("x", (1,), (4,))]

    def test_weights_that_overflow_in_half_precision_whatever_goes_in(self, tmp_path: Path) -> None:
        module = self.Half().half().eval()
        module.first.bias.data.fill_(6e4)
        module.first.weight.data *= 1e5
        x = torch.randn(20, 6).half()
        columns = [Column("x", place, f"x{place}", "dense", 1.0) for place in range(6)]
        answer = run(export(module, (x,), tmp_path, columns=columns), x)
        assert (answer.origin, answer.causes) == ("weight", ())
        assert "first.weight" in [weight.name for weight in answer.weights]

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(self.last(self.first(x).square())).float().squeeze(1)

    @pytest.mark.parametrize("value", [0.0, -1.0])
    def test_the_logarithm_of_a_weight(self, value: float, tmp_path: Path) -> None:
        class Scaled(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = nn.Parameter(torch.ones(6))

            def forward(self, x: Tensor) -> Tensor:
                return (x * torch.log(self.scale)).sum(1)

        module = Scaled().eval()
        module.scale.data[2] = value
        x = torch.randn(20, 6)
        program = export(module, (x,), tmp_path)
        answer = run(program, x)
        assert (answer.origin, operator(program, answer.node)) == ("weight", "log")
        assert ([weight.name for weight in answer.weights], answer.causes) == (["scale"], ())

    def test_without_a_baseline_nothing_is_blamed_where_every_row_is_bad(self, tmp_path: Path) -> None:
        class Logarithm(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.last = nn.Linear(3, 1)

            def forward(self, x: Tensor) -> Tensor:
                scores: Tensor = self.last(torch.log(x))
                return scores.squeeze(1)

        x = torch.rand(20, 3) - 2
        program = export(Logarithm().eval(), (x,), tmp_path)
        answer = run(program, x)
        assert (answer.origin, answer.causes, answer.weights) == ("operator", (), ())
        assert "features.json gives no baseline" in answer.unsettled[0]
        named = [Column("x", place, f"x{place}", "dense", 1.0) for place in range(3)]
        settled = run(replace(program, columns=tuple(named)), x)
        assert causes(settled) == [(f"x{place}", (place,), tuple(range(20))) for place in range(3)]

    def test_a_baseline_that_is_bad_itself_is_replaced_by_a_good_row(self, tmp_path: Path) -> None:
        class Logarithm(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return torch.log(x).sum(1)

        x = torch.rand(20, 3) + 0.1
        columns = [Column("x", place, f"x{place}", "dense", -1.0) for place in range(3)]
        program = export(Logarithm().eval(), (x,), tmp_path, columns=columns)
        x[4, 1] = -3.0
        answer = run(program, x)
        assert (answer.origin, causes(answer)) == ("operator", [("x1", (1,), (4,))])


def test_a_baseline_that_does_not_run_is_replaced_by_a_good_row_or_said_to_be_at_fault(tmp_path: Path) -> None:
    class Looked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 3)

        def forward(self, ids: Tensor, x: Tensor) -> Tensor:
            rows: Tensor = self.table(ids)
            return rows.sum(1) + torch.log(x)

    ids, x = torch.randint(0, 10, (12,)), torch.rand(12) + 0.1
    columns = (Column("ids", 0, "city", "categorical", 99), Column("x", 0, "price", "dense", 1.0))
    program = export(Looked().eval(), (ids, x), tmp_path, columns=columns)
    x[3] = -1.0
    assert causes(run(program, ids, x)) == [("price", (0,), (3,))]
    answer = run(program, ids, x - 9)
    assert (answer.origin, answer.causes) == ("operator", ())
    assert "do not run with features at their baseline" in answer.unsettled[0]


def test_a_model_that_draws_random_numbers_is_said_to_do_so(tmp_path: Path) -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.log(x).sum(1) + torch.rand(x.shape[0])

    x = torch.rand(12, 2) + 0.1
    program = export(Noisy().eval(), (x,), tmp_path)
    x[3, 1] = -1.0
    answer = run(program, x)
    assert causes(answer) == [("x", (1,), (3,))]
    assert "draws random numbers" in answer.unsettled[0]
