"""Rows that are bad because of other rows: statistics of the batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tools.program.exported import export
from tests.tools.program.tracing import INF, NAN, causes, operator, run
from tools.program.graph import Column


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Standardised(nn.Module):
    """Each column is divided by its standard deviation in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        return torch.sigmoid(self.last((hidden - hidden.mean(0)) / hidden.std(0))).squeeze(1)


class TestCompany:
    def test_a_row_that_spoils_the_others(self, tmp_path: Path) -> None:
        x = torch.randn(20, 6)
        program = export(Standardised().eval(), (x,), tmp_path)
        assert run(program, x).origin is None
        x[5, 2] = NAN
        answer = run(program, x)
        assert (answer.origin, causes(answer)) == ("input", [("x", (2,), (5,))])
        assert operator(program, answer.mixes) == "mean"
        assert answer.company == tuple(row for row in range(20) if row != 5)
        assert answer.rows_bad == answer.rows_explained == tuple(range(20))

    def test_a_norm_that_was_left_in_training_mode(self, tmp_path: Path) -> None:
        class Normed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.norm, self.last = nn.BatchNorm1d(6), nn.Linear(6, 1)

            def forward(self, x: Tensor) -> Tensor:
                scores: Tensor = self.last(self.norm(x))
                return scores.squeeze(1)

        x = torch.randn(20, 6)
        program = export(Normed().train(), (x,), tmp_path)
        x[5, 2], x[8, 4] = NAN, INF
        answer = run(program, x)
        assert causes(answer) == [("x", (2,), (5,)), ("x", (4,), (8,))]
        assert operator(program, answer.mixes) == "batch_norm"

    def test_a_value_that_is_too_large_only_for_a_statistic_of_the_batch(self, tmp_path: Path) -> None:
        class Spread(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return (x / torch.square(x).sum(0) * 1e9).sum(1) * torch.square(x).sum()

        x = torch.randn(20, 6)
        program = export(Spread().eval(), (x,), tmp_path)
        assert run(program, x).origin is None
        x[5, 2] = 1e25  # its square is infinite
        answer = run(program, x)
        assert causes(answer) == [("x", (2,), (5,))]

    def test_rows_that_are_all_the_same(self, tmp_path: Path) -> None:
        x = torch.randn(1, 6).repeat(20, 1)
        columns = [Column("x", place, f"x{place}", "dense", 0.3) for place in range(6)]
        program = export(Standardised().eval(), (torch.randn(4, 6),), tmp_path, columns=columns)
        answer = run(program, x)
        assert (answer.origin, operator(program, answer.mixes)) == ("batch", "mean")
        assert (answer.causes, answer.weights, answer.company) == ((), (), tuple(range(20)))
