"""Traces upstream through real exported modules: each planted cause is named, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tools.program.exported import export
from tools.program.badness import Badness
from tools.program.causes import Trace
from tools.program.graph import Column, Program
from tools.program.interpreter import Interpreter
from tools.program.upstream import trace

ROWS, DENSE, FIELDS = 40, 12, 5
NAN = float("nan")


class Risky(nn.Module):
    """Every kind of hazard: a ratio, logarithms, a table for each id, and two columns that are cleaned first."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(50, 4) for _ in range(FIELDS))
        self.hidden = nn.Linear(DENSE + 4 * FIELDS, 8)
        self.last = nn.Linear(8, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        ratio = torch.tanh(dense[:, 0:1] / (dense[:, 1:2] - dense[:, 2:3]))
        logs, cleaned = torch.log(dense[:, 3:10] + 1.5), dense[:, 10:].nan_to_num()
        rows = [table(ids[:, place]) for place, table in enumerate(self.tables)]
        hidden = self.hidden(torch.cat([ratio, dense[:, 1:3], logs, cleaned, *rows], 1))
        return torch.sigmoid(self.last(torch.relu(hidden))).squeeze(1)


@pytest.fixture(scope="module")
def risky(tmp_path_factory: pytest.TempPathFactory) -> Program:
    torch.manual_seed(0)
    return export(Risky().eval(), _rows(), tmp_path_factory.mktemp("risky"))


def _rows(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(ROWS, DENSE, generator=generator), torch.randint(0, 49, (ROWS, FIELDS), generator=generator)


def _with_weight(program: Program, name: str, change: Callable[[Tensor], None]) -> Program:
    value = next(value for value, known in program.weight_names.items() if known == name)
    weight = program.weights[value].clone()
    change(weight)
    return replace(program, weights={**program.weights, value: weight})


def _put(place: tuple[int, ...] | int, value: float) -> Callable[[Tensor], None]:
    def put(tensor: Tensor) -> None:
        tensor[place] = value

    return put


def _trace(program: Program, *inputs: Tensor, bad: Badness | None = None) -> Trace:
    kept = [value.clone() for value in inputs]
    answer = trace(Interpreter(program), inputs, bad or Badness())
    assert all(torch.equal(value.nan_to_num(), before.nan_to_num()) for value, before in zip(inputs, kept, strict=True))
    return answer


def _named(answer: Trace) -> dict[tuple[str, tuple[int, ...]], tuple[tuple[int, ...], str]]:
    """(input, columns) → the rows, and `s`, `n` or `sn` for sufficient and necessary."""
    return {
        (cause.input, cause.columns): (cause.rows, "s" * cause.sufficient + "n" * cause.necessary)
        for cause in answer.causes
    }


def _operator(program: Program, answer: Trace) -> str:
    assert answer.node is not None
    return program.nodes[answer.node].operator


def test_healthy_rows_have_no_trace(risky: Program) -> None:
    for seed in range(5):
        answer = _trace(risky, *_rows(seed))
        assert answer == Trace("non_finite", forwards=1.0)


def test_a_missing_value(risky: Program) -> None:
    dense, ids = _rows()
    dense[[3, 9], 7] = NAN
    answer = _trace(risky, dense, ids)
    assert (answer.origin, answer.rows_bad, answer.rows_explained, answer.unsettled) == ("input", (3, 9), (3, 9), ())
    assert _named(answer) == {("dense", (7,)): ((3, 9), "sn")}
    (cause,) = answer.causes
    assert (cause.feature, cause.kind, str(cause.values)) == (None, "dense", "((nan,), (nan,))")
    assert cause.baseline == (float(dense[[row for row in range(ROWS) if row not in (3, 9)], 7].median()),)


def test_the_logarithm_of_a_negative_number(risky: Program) -> None:
    dense, ids = _rows()
    dense[11, 4] = -5.0
    answer = _trace(risky, dense, ids)
    assert (answer.origin, _operator(risky, answer)) == ("operator", "aten.log.default")
    assert _named(answer) == {("dense", (4,)): ((11,), "sn")}
    assert answer.causes[0].values == ((-5.0,),)


def test_for_a_ratio_the_sufficient_fix_and_the_necessary_set_differ(risky: Program) -> None:
    dense, ids = _rows()
    dense[5, 0], dense[5, 2] = 0.0, float(dense[5, 1])  # 0 / (a - a)
    answer = _trace(risky, dense, ids)
    assert (answer.origin, _operator(risky, answer)) == ("operator", "aten.div.Tensor")
    assert _named(answer) == {("dense", (1,)): ((5,), "sn"), ("dense", (0,)): ((5,), "n"), ("dense", (2,)): ((5,), "n")}
    assert [cause.columns for cause in answer.sufficient] == [(1,)]


def test_two_and_five_causes_in_one_row(risky: Program) -> None:
    for columns in ((4, 8), (3, 4, 6, 8, 9)):
        dense, ids = _rows()
        dense[7, list(columns)] = -5.0
        answer = _trace(risky, dense, ids)
        assert _named(answer) == {("dense", (column,)): ((7,), "s") for column in columns}
        assert answer.rows_explained == (7,)


def test_causes_of_different_kinds_in_one_row_and_in_different_rows(risky: Program) -> None:
    dense, ids = _rows()
    dense[7, 4], dense[7, 8], dense[20, 5] = NAN, -5.0, -9.0
    answer = _trace(risky, dense, ids)
    assert _named(answer) == {
        ("dense", (4,)): ((7,), "s"),
        ("dense", (8,)): ((7,), "s"),
        ("dense", (5,)): ((20,), "sn"),
    }


def test_missing_values_that_the_model_heals_are_no_causes(risky: Program) -> None:
    dense, ids = _rows()
    dense[:, 10] = NAN
    answer = _trace(risky, dense, ids)
    assert (answer.origin, answer.causes, answer.rows_bad) == (None, (), ())
    dense[7, 4] = NAN
    answer = _trace(risky, dense, ids)
    assert (answer.origin, answer.rows_bad) == ("input", (7,))
    assert _named(answer) == {("dense", (4,)): ((7,), "sn")}


def test_badness_that_is_absorbed_is_noted_and_not_accused(risky: Program) -> None:
    dense, ids = _rows()
    dense[5, 2] = float(dense[5, 1])  # a / 0, which tanh makes 1 of
    answer = _trace(risky, dense, ids)
    assert (answer.origin, answer.causes, answer.rows_bad) == (None, (), ())
    assert [risky.nodes[index].operator for index in answer.absorbed] == ["aten.div.Tensor"]


def test_a_feature_that_is_missing_in_every_row(risky: Program) -> None:
    dense, ids = _rows()
    dense[:, 6] = NAN
    answer = _trace(risky, dense, ids)
    assert answer.origin == "input"
    assert _named(answer) == {("dense", (6,)): (tuple(range(ROWS)), "sn")}
    assert len(answer.rows_examined) == 32


def test_a_row_of_a_table_that_is_nan_is_named_with_the_id_that_reaches_it(risky: Program) -> None:
    program = _with_weight(risky, "tables.2.weight", _put(49, NAN))
    dense, ids = _rows()
    assert _trace(program, dense, ids).origin is None
    ids[[5, 30], 2] = 49
    answer = _trace(program, dense, ids)
    assert (answer.origin, _operator(program, answer)) == ("weight", "aten.embedding.default")
    assert _named(answer) == {("ids", (2,)): ((5, 30), "sn")}
    assert answer.causes[0].values == ((49.0,), (49.0,))
    ((name, places, rows),) = [(weight.name, weight.places, weight.rows) for weight in answer.weights]
    assert (name, places, rows) == ("tables.2.weight", (49,), (5, 30))


def test_a_weight_that_is_nan_spoils_every_row_and_no_feature_is_accused(risky: Program) -> None:
    answer = _trace(_with_weight(risky, "hidden.weight", _put((3, 3), NAN)), *_rows())
    assert (answer.origin, answer.causes) == ("weight", ())
    ((name, elements, places),) = [(weight.name, weight.elements, weight.places) for weight in answer.weights]
    assert (name, elements, places) == ("hidden.weight", 1, (3,))
    assert answer.rows_explained == tuple(range(ROWS))
    assert answer.unsettled == ()


def test_features_are_named_and_those_of_several_columns_are_replaced_as_one(risky: Program) -> None:
    dense, ids = _rows()
    named = [
        Column("dense", place, "price" if place in (3, 4) else f"d{place}", "dense", 0.5) for place in range(DENSE)
    ]
    named += [Column("ids", place, f"i{place}", "categorical", 1) for place in range(FIELDS)]
    dense[7, [3, 4]] = -5.0
    (cause,) = _trace(replace(risky, columns=tuple(named)), dense, ids).causes
    assert (cause.feature, cause.columns, cause.values, cause.baseline) == (
        "price",
        (3, 4),
        ((-5.0, -5.0),),
        (0.5, 0.5),
    )
    assert (cause.sufficient, cause.necessary) == (True, True)


def test_the_order_of_rows_does_not_matter(risky: Program) -> None:
    dense, ids = _rows()
    dense[7, 4], dense[7, 8], dense[20, 5], dense[21, 2] = NAN, -5.0, -9.0, float(dense[21, 1])
    dense[21, 0] = 0.0
    expected = _trace(risky, dense, ids)
    for seed in range(3):
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(seed))
        answer = _trace(risky, dense[order], ids[order])
        back = {
            key: (tuple(sorted(int(order[row]) for row in rows)), role) for key, (rows, role) in _named(answer).items()
        }
        assert back == _named(expected)
        assert (answer.origin, answer.node, answer.forwards) == (expected.origin, expected.node, expected.forwards)


def test_the_same_batch_gives_the_same_answer(risky: Program) -> None:
    dense, ids = _rows()
    dense[7, [4, 8]] = -5.0
    assert _trace(risky, dense, ids) == _trace(risky, dense, ids)


def test_many_bad_rows_are_explained_by_the_fixes_of_a_few(risky: Program) -> None:
    dense, ids = (part.repeat(10, 1) for part in _rows())
    dense += torch.rand(dense.shape, generator=torch.Generator().manual_seed(1)) * 0.01
    dense[:100, 4], dense[50:180, 8], dense[300:, 5] = -5.0, NAN, -7.0
    answer = _trace(risky, dense, ids)
    assert len(answer.rows_bad) == len(answer.rows_explained) == 280
    assert len(answer.rows_examined) == 32
    both = {(cause.columns, cause.rows) for cause in answer.causes if not cause.necessary}
    assert both == {((4,), tuple(range(50, 100))), ((8,), tuple(range(50, 100)))}
    alone = {(cause.columns, cause.rows) for cause in answer.causes if cause.necessary}
    assert alone == {((4,), tuple(range(50))), ((8,), tuple(range(100, 180))), ((5,), tuple(range(300, 400)))}


def test_more_causes_than_are_looked_for_are_said_to_be_too_many(risky: Program, tmp_path: Path) -> None:
    class Sum(nn.Module):
        def forward(self, dense: Tensor) -> Tensor:
            return torch.log(dense).sum(1)

    program = export(Sum(), (torch.rand(4, 30),), tmp_path)
    dense = torch.rand(20, 30) + 0.1
    dense[3, :25] = -1.0
    answer = _trace(program, dense)
    assert answer.rows_explained == () or len(answer.sufficient) == 25
    assert answer.unsettled


def test_a_batch_of_one_and_an_empty_one(risky: Program) -> None:
    dense, ids = _rows()
    dense[0, 4] = -5.0
    named = tuple(Column("dense", place, f"d{place}", "dense", 0.5) for place in range(DENSE))
    answer = _trace(replace(risky, columns=named), dense[:1], ids[:1])
    assert [(cause.feature, cause.rows) for cause in answer.causes] == [("d4", (0,))]
    assert _trace(risky, dense[:0], ids[:0]).unsettled == ("the batch has no rows",)


def test_a_program_for_a_fixed_number_of_rows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    dense, ids = _rows()
    program = export(Risky().eval(), (dense, ids), tmp_path, dynamic=(None, None))
    dense[11, 4], dense[30, 6] = -5.0, NAN
    assert _named(_trace(program, dense, ids)) == {("dense", (4,)): ((11,), "sn"), ("dense", (6,)): ((30,), "sn")}


def test_several_outputs_of_which_one_is_bad(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, dense: Tensor, price: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return torch.tanh(dense).sum(1), torch.log(price), price > 1

    program = export(Two(), (torch.rand(4, 3), torch.rand(4)), tmp_path)
    dense, price = torch.rand(20, 3), torch.rand(20) + 0.1
    assert _trace(program, dense, price).origin is None
    price[6] = -1.0
    assert _named(_trace(program, dense, price)) == {("price", (0,)): ((6,), "sn")}
