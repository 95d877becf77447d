"""Traces through values that are laid out otherwise: masks, time first, bags."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from tests.tools.program.exported import export
from tests.tools.program.tracing import INF, NAN, causes, operator, run
from tools.program.graph import Column, Program


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Attention(nn.Module):
    """Positions with id 0 are masked with minus infinity; a price is added as a logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.query, self.key = nn.Embedding(30, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.last = nn.Linear(8, 1)

    def forward(self, ids: Tensor, price: Tensor) -> Tensor:
        values = self.table(ids)
        scores = self.query(values) @ self.key(values).transpose(1, 2)
        scores = scores.masked_fill((ids == 0)[:, None, :], -INF)
        mixed = (scores.softmax(-1) @ values).mean(1)
        return torch.sigmoid(self.last(mixed) + torch.log(price)).squeeze(1)


class TestMasks:
    @pytest.fixture
    def program(self, tmp_path: Path) -> Program:
        return export(Attention().eval(), self.rows(), tmp_path, columns=self.columns)

    columns = (Column("ids", 0, "history", "sequence", 4), Column("price", 0, "price", "dense", 1.0))

    def rows(self) -> tuple[Tensor, Tensor]:
        ids = torch.randint(1, 30, (16, 5))
        ids[:, 3:] = 0
        return ids, torch.rand(16, 1) + 0.1

    def test_a_mask_is_no_cause(self, program: Program) -> None:
        answer = run(program, *self.rows())
        assert (answer.origin, answer.rows_bad) == (None, ())
        assert [operator(program, index) for index in answer.absorbed] == ["masked_fill"]

    def test_nor_where_something_else_is_bad_in_one_row_or_in_all(self, program: Program) -> None:
        for rows in ([7], list(range(16))):
            ids, price = self.rows()
            price[rows] = -1.0
            answer = run(program, ids, price)
            assert operator(program, answer.node) == "log"
            assert causes(answer) == [("price", (0,), tuple(rows))]

    def test_a_row_of_which_everything_is_masked(self, program: Program) -> None:
        ids, price = self.rows()
        ids[3] = 0
        answer = run(program, ids, price)
        assert (answer.origin, operator(program, answer.node)) == ("operator", "softmax")
        assert causes(answer) == [("history", (0,), (3,))]
        assert answer.causes[0].values == ((0.0,) * 5,)

    def test_a_stored_mask_is_no_cause_of_what_spoils_every_row(self, tmp_path: Path) -> None:
        class Causal(nn.Module):
            mask: Tensor

            def __init__(self) -> None:
                super().__init__()
                self.register_buffer("mask", torch.full((5, 5), -INF).triu(1))
                self.last = nn.Linear(5, 1)

            def forward(self, x: Tensor) -> Tensor:
                scores = torch.log(x)[:, :, None] * x[:, None, :] + self.mask
                logits: Tensor = self.last(scores.softmax(-1).mean(1))
                return logits.squeeze(1)

        columns = [Column("x", place, f"x{place}", "dense", 0.5) for place in range(5)]
        program = export(Causal().eval(), (torch.rand(4, 5),), tmp_path, columns=columns)
        x = torch.rand(12, 5) + 0.1
        assert run(program, x).origin is None
        x[:, 2] = -1.0
        answer = run(program, x)
        assert (answer.origin, operator(program, answer.node)) == ("operator", "log")
        assert causes(answer) == [("x2", (2,), tuple(range(12)))]


@pytest.mark.parametrize("time_first", [False, True])
def test_a_recurrent_net_in_either_layout(time_first: bool, tmp_path: Path) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.last = nn.LSTM(3, 5, batch_first=not time_first), nn.Linear(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            states = self.cell(x.transpose(0, 1))[0][-1] if time_first else self.cell(x)[0][:, -1]
            return torch.sigmoid(self.last(states)).squeeze(1)

    x = torch.randn(9, 4, 3)
    program = export(Recurrent().eval(), (x,), tmp_path)
    assert run(program, x).origin is None
    x[2, 1, 2] = NAN
    answer = run(program, x)
    assert (answer.origin, answer.mixes, answer.company) == ("input", None, ())
    assert causes(answer) == [("x", (2,), (2,))]
    assert str(answer.causes[0].values[0][1]) == "nan"  # at the second of four positions


class TestBags:
    dynamic = ({0: Dim("ids")}, {0: Dim("rows")}, {0: Dim("rows")})

    def rows(self) -> tuple[Tensor, Tensor, Tensor]:
        return torch.randint(0, 29, (21,)), torch.arange(0, 21, 3), torch.randn(7, 1)

    def test_a_bag_with_an_id_whose_row_is_nan(self, tmp_path: Path) -> None:
        class Mean(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.bag, self.last = nn.EmbeddingBag(30, 4, mode="mean"), nn.Linear(5, 1)

            def forward(self, ids: Tensor, starts: Tensor, x: Tensor) -> Tensor:
                return torch.sigmoid(self.last(torch.cat([self.bag(ids, starts), x], 1))).squeeze(1)

        module = Mean().eval()
        module.bag.weight.data[29] = NAN
        ids, starts, x = self.rows()
        program = export(module, (ids, starts, x), tmp_path, self.dynamic)
        assert run(program, ids, starts, x).origin is None
        ids[10] = 29
        answer = run(program, ids, starts, x)
        assert (answer.origin, [weight.name for weight in answer.weights]) == ("weight", ["bag.weight"])
        assert answer.weights[0].places == (29,)
        assert causes(answer) == [("ids", (0,), (3,))]
        assert answer.causes[0].values == (tuple(float(number) for number in ids[9:12]),)

    def test_an_empty_bag_that_a_count_divides(self, tmp_path: Path) -> None:
        class Average(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.bag, self.last = nn.EmbeddingBag(30, 4, mode="sum"), nn.Linear(5, 1)

            def forward(self, ids: Tensor, starts: Tensor, x: Tensor) -> Tensor:
                counts = torch.diff(torch.cat([starts, torch.full((1,), ids.shape[0])])).unsqueeze(1)
                scores: Tensor = self.last(torch.cat([self.bag(ids, starts) / counts, x], 1))
                return scores.squeeze(1)

        ids, starts, x = self.rows()
        columns = (Column("ids", 0, "tags", "bag", 3, offsets="starts"),)
        program = export(Average().eval(), (ids, starts, x), tmp_path, self.dynamic, columns)
        assert run(program, ids, starts, x).origin is None
        starts[4] = starts[5]
        answer = run(program, ids, starts, x)
        assert (answer.origin, operator(program, answer.node)) == ("operator", "div")
        assert causes(answer) == [("tags", (0,), (4,))]
        assert (answer.causes[0].values, answer.causes[0].baseline) == (((),), (3.0,))


def test_an_input_that_is_the_same_for_all_rows(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor, scale: Tensor, switch: Tensor) -> Tensor:
            return torch.log(x * scale).sum(1) + switch.float()

    x, scale = torch.rand(12, 3) + 0.1, torch.tensor(2.0)
    switch = torch.rand(12) > 0.5
    program = export(Scaled().eval(), (x, scale, switch), tmp_path, ({0: Dim("rows")}, None, {0: Dim("rows")}))
    x[4, 1] = -1.0
    assert causes(run(program, x, scale, switch)) == [("x", (1,), (4,))]
    answer = run(program, x.abs(), torch.tensor(NAN), switch)
    assert (answer.origin, answer.causes, answer.rows_bad) == ("input", (), tuple(range(12)))
    assert answer.unsettled
