"""Samples as the inputs of a program: missing and odd values, ids that no table has, bags, sequences, fixed batches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.tools import walked
from tests.tools.program.exported import export
from tools.program.columns import UnfitRows
from tools.program.graph import Column, InputTensor, Program
from tools.program.interpreter import Interpreter
from tools.program.rows import to_rows
from tools.program.tables import unknown_ids
from tools.records import Samples

DENSE = (Column("dense", 0, "a", "dense", 2.0), Column("dense", 1, "b", "dense", 3.0, missing=0.0))
IDS = (Column("ids", 0, "c", "categorical", 7.0),)
PLAIN = Program(
    nodes=(),
    inputs=(InputTensor("dense", "float32", (None, 2)), InputTensor("ids", "int64", (None, 1))),
    outputs=(),
    weights={},
    weight_names={},
    columns=(*DENSE, *IDS),
)


def samples(**features: Any) -> Samples:
    n = len(next(iter(features.values())))
    arrays = {name: np.asarray(values) for name, values in features.items()}
    return Samples(np.arange(n), np.full(n, "m/1"), arrays, np.full(n, 0.5))


def test_each_feature_stands_in_its_column() -> None:
    rows = to_rows(PLAIN, samples(c=[4, 5], b=[0.5, 0.25], a=[1.0, -1.0], unused=[9, 9]))
    assert [value.tolist() for value in rows.inputs] == [[[1.0, 0.5], [-1.0, 0.25]], [[4], [5]]]
    assert [value.dtype for value in rows.inputs] == [torch.float32, torch.int64]
    assert rows.caveats == ()


def test_a_missing_value_is_what_serving_gives_or_nan_and_a_missing_id_the_baseline() -> None:
    rows = to_rows(PLAIN, samples(a=[np.nan, 1.0], b=[np.nan, 1.0], c=[np.nan, 1.0]))
    dense, ids = rows.inputs
    assert bool(dense[0, 0].isnan())
    assert dense[0, 1] == 0
    assert ids[:, 0].tolist() == [7, 1]
    assert rows.caveats == ("missing ids were filled with the baseline id: c (1 rows)",)


def test_a_feature_that_is_not_there_or_no_number_takes_its_baseline_and_is_named() -> None:
    rows = to_rows(PLAIN, samples(a=["x", "y"], c=[1, 2]))
    assert rows.inputs[0].tolist() == [[2.0, 3.0], [2.0, 3.0]]
    assert rows.caveats == ("a, b: not in the samples as numbers, so the baseline value stood in every row",)


def test_integers_and_booleans_are_taken_as_numbers() -> None:
    rows = to_rows(PLAIN, samples(a=[True, False], b=[1, 2], c=[True, False]))
    assert rows.inputs[0].tolist() == [[1, 1], [0, 2]]


@pytest.mark.parametrize(
    ("given_rows", "reason"),
    [(samples(z=[1.0]), "features.json"), (samples(a=np.zeros(0)), "no samples"), (Samples.none(), "no samples")],
)
def test_nothing_to_run_on(given_rows: Samples, reason: str) -> None:
    with pytest.raises(UnfitRows, match=reason):
        to_rows(PLAIN, given_rows)


def test_an_input_without_columns_stays_empty() -> None:
    none = replace(PLAIN, inputs=(PLAIN.inputs[0], InputTensor("ids", "int64", (None, 0))), columns=DENSE)
    rows = to_rows(none, samples(a=[1.0, 2.0], b=[3.0, 4.0]))
    assert [tuple(value.shape) for value in rows.inputs] == [(2, 2), (2, 0)]
    assert rows.caveats == ()


def test_a_column_that_is_not_described_is_refused() -> None:
    with pytest.raises(UnfitRows, match="'dense'"):
        to_rows(replace(PLAIN, columns=(*DENSE[:1], *IDS)), samples(a=[1.0], c=[1]))


def test_without_columns_the_samples_name_the_inputs() -> None:
    bare = replace(PLAIN, columns=())
    by_place = samples(**{"dense.0": [1.0], "dense.1": [2.0], "ids": [3]})
    assert [value.tolist() for value in to_rows(bare, by_place).inputs] == [[[1.0, 2.0]], [[3]]]
    whole = samples(dense=np.array([[1.0, 2.0]]), ids=[3])
    assert [value.tolist() for value in to_rows(bare, whole).inputs] == [[[1.0, 2.0]], [[3]]]
    with pytest.raises(UnfitRows, match="nothing says which features go into the input 'dense'"):
        to_rows(bare, samples(a=[1.0], b=[2.0], ids=[3]))


def test_bags_and_sequences() -> None:
    program = replace(
        PLAIN,
        inputs=(
            InputTensor("tags", "int64", (None,)),
            InputTensor("starts", "int64", (None,)),
            InputTensor("seen", "int64", (None, 3)),
        ),
        columns=(
            Column("tags", 0, "tags", "bag", 1.0, offsets="starts"),
            Column("seen", 0, "seen", "sequence", 0.0),
        ),
    )
    nan = np.nan
    rows = to_rows(
        program,
        samples(tags=[[1, 2, nan], [nan, nan, nan], [3, nan, nan]], seen=[[5, nan, nan, nan], [6, 7, 8, 9], [nan] * 4]),
    )
    assert [value.tolist() for value in rows.inputs] == [[1, 2, 3], [0, 2, 2], [[5, 0, 0], [6, 7, 8], [0, 0, 0]]]
    assert rows.caveats == ("seen: only the first positions of longer sequences fit into the snapshot",)


NAN = np.nan


def one_input(*sizes: int | None, columns: tuple[Column, ...] = ()) -> Program:
    return replace(PLAIN, inputs=(InputTensor("x", "float32", (None, *sizes)),), columns=columns)


@pytest.mark.parametrize("columns", [(), (Column("x", 0, "x", "sequence", 0.0),)])
@pytest.mark.parametrize("sizes", [(2, 3), (2, None), (None, 3), (1, 2, 3)])
def test_an_input_of_more_dimensions_has_its_numbers_in_one_list(
    sizes: tuple[int | None, ...], columns: tuple[Column, ...]
) -> None:
    given_rows = samples(x=np.arange(12.0).reshape(2, 6))
    (value,) = to_rows(one_input(*sizes, columns=columns), given_rows).inputs
    full = (2, 3) if len(sizes) == 2 else sizes
    assert value.shape == (2, *full)
    assert value.flatten().tolist() == list(range(12))


def test_features_of_a_series_have_a_list_each() -> None:
    columns = (Column("x", 1, "b", "dense", 7.0), Column("x", 0, "a", "dense", 3.0))
    given_rows = samples(a=[[1.0, 2.0], [3.0, NAN], [NAN, 4.0]], b=[[5.0, 6.0]] * 3)
    rows = to_rows(one_input(2, 2, columns=columns), given_rows)
    assert rows.inputs[0][:2].tolist() == [[[1.0, 5.0], [2.0, 6.0]], [[3.0, 5.0], [3.0, 6.0]]]
    assert bool(rows.inputs[0][2, 0, 0].isnan())  # it is not behind the end: serving got it
    assert rows.caveats == ("a: what is behind the end of a shorter sequence is filled",)
    alone = to_rows(one_input(2, 2, columns=columns), samples(b=[[5.0, 6.0]]))
    assert alone.inputs[0].tolist() == [[[3.0, 5.0], [3.0, 6.0]]]


def test_lists_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UnfitRows, match="nothing says which features"):
        to_rows(one_input(2, 3), samples(x=[[1.0, 2.0]]))
    with pytest.raises(UnfitRows, match="too open"):
        to_rows(one_input(None, None), samples(x=[[1.0, 2.0]]))
    columns = (Column("x", 0, "a", "dense", 0.0), Column("x", 1, "b", "dense", 0.0))
    with pytest.raises(UnfitRows, match="lists of different lengths"):
        to_rows(one_input(None, 2, columns=columns), samples(a=[[1.0, 2.0]], b=[[1.0]]))


def test_a_number_for_all_rows_is_its_baseline() -> None:
    program = replace(PLAIN, inputs=(*PLAIN.inputs, InputTensor("scale", "float32", ())))
    with pytest.raises(UnfitRows, match="one number for all rows"):
        to_rows(program, samples(a=[1.0], b=[1.0], c=[1]))
    said = replace(program, columns=(*PLAIN.columns, Column("scale", 0, "scale", "dense", 0.5)))
    scale = to_rows(said, samples(a=[1.0], b=[1.0], c=[1])).inputs[2]
    assert (scale.dim(), float(scale)) == (0, 0.5)


def test_the_weights_of_a_bag_follow_its_ids(tmp_path: Path) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = nn.EmbeddingBag(9, 2, mode="sum")

        def forward(self, ids: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
            pooled: Tensor = self.bag(ids, starts, weights)
            return pooled

    inputs = (torch.arange(7), torch.tensor([0, 2, 5]), torch.rand(7))
    many, rows = torch.export.Dim("many"), torch.export.Dim("rows")
    program = export(
        Weighted(),
        inputs,
        tmp_path,
        [{0: many}, {0: rows}, {0: many}],
        [Column("ids", 0, "tags", "bag", 0.0, offsets="starts")],
    )
    tags = np.array([[1.0, 2.0], [3.0, NAN]])
    given_rows = to_rows(program, samples(tags=tags, weights=[[0.5, NAN], [0.25, NAN]]))
    assert [value.tolist() for value in given_rows.inputs][:2] == [[1, 2, 3], [0, 2]]
    assert given_rows.inputs[2].nan_to_num(-1).tolist() == [0.5, -1, 0.25]  # an id without a weight: as it was sent
    unweighted = to_rows(program, samples(tags=tags))
    assert unweighted.inputs[2].tolist() == [1, 1, 1]
    assert unweighted.caveats == ("weights: not in the samples, so every id of the bag has the weight 1",)
    with pytest.raises(UnfitRows, match="send a weight for each id"):
        to_rows(program, samples(tags=tags, weights=[[0.5], [0.25]]))


def test_a_fixed_batch_takes_the_newest_rows_or_says_why_not() -> None:
    fixed = replace(PLAIN, inputs=(InputTensor("dense", "float32", (2, 2)), InputTensor("ids", "int64", (2, 1))))
    assert to_rows(fixed, samples(a=[1.0, 2.0, 3.0], b=[0, 0, 0], c=[1, 1, 1])).inputs[0][:, 0].tolist() == [2.0, 3.0]
    with pytest.raises(UnfitRows, match="exactly 2 rows"):
        to_rows(fixed, samples(a=[1.0], b=[0], c=[1]))


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.tuples(st.integers(0, 2), st.floats(width=32), st.integers(0, 3)), min_size=1, max_size=12),
    seed=st.integers(0, 100),
)
def test_the_order_of_the_samples_does_not_matter(values: list[tuple[int, float, int]], seed: int) -> None:
    ts, a, c = (np.array(column) for column in zip(*values, strict=True))
    whole = Samples(ts, np.full(len(ts), "m/1"), {"a": a, "b": c * 0.0, "c": c.astype(float)}, a)
    order = np.random.default_rng(seed).permutation(len(ts))
    shuffled = Samples(ts[order], whole.snapshot, {n: v[order] for n, v in whole.features.items()}, a[order])
    for one, other in zip(to_rows(PLAIN, whole).inputs, to_rows(PLAIN, shuffled).inputs, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def unknown(program: Program, given_rows: Samples) -> list[tuple[str | None, str, int, list[int], tuple[int, ...]]]:
    found = unknown_ids(Interpreter(program), to_rows(program, given_rows))
    return [(f.feature, f.table, f.size, np.flatnonzero(f.rows).tolist(), f.ids) for f in found]


def test_ids_beyond_a_table_are_named_with_their_rows() -> None:
    line = walked.line("dlrm", 3, seed=1)
    dense, ids = line.rows(1, 8)
    assert unknown(line.program, walked.samples(dense, ids)) == []
    ids[3, 1], ids[5, 1], ids[6, 2] = 20, 99, -1
    assert unknown(line.program, walked.samples(dense, ids)) == [
        ("id_1", "tables.1.weight", 20, [3, 5], (20, 99)),
        ("id_2", "tables.2.weight", 20, [6], (-1,)),
    ]


def test_an_id_that_is_no_whole_number_is_unknown_too() -> None:
    line = walked.line("dlrm", 3, seed=1)
    given_rows = walked.samples(*line.rows(1, 8))
    given_rows.features["id_0"][2] = 3.5
    given_rows.features["id_0"][4] = np.inf
    (found,) = unknown_ids(Interpreter(line.program), to_rows(line.program, given_rows))
    assert np.flatnonzero(found.rows).tolist() == [2, 4]
    assert "no whole number" in str(found)


class Tagged(nn.Module):
    """A bag of tags and ids that are shifted into one table, as field-aware models have them."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(6, 3)
        self.table = nn.Embedding(10, 3)

    def forward(self, tags: Tensor, starts: Tensor, ids: Tensor) -> Tensor:
        shifted = (ids + torch.tensor([0, 5])).clamp(min=0)
        total: Tensor = (self.bag(tags, starts) + self.table(shifted).sum(1)).sum(1)
        return total


def test_bags_and_shifted_ids_lead_back_to_the_feature_and_the_row(tmp_path: Path) -> None:
    rows = torch.export.Dim("rows")
    tags = torch.export.Dim("tags")
    columns = (
        Column("tags", 0, "tags", "bag", 1.0, offsets="starts"),
        Column("ids", 0, "country", "categorical", 0.0),
        Column("ids", 1, "device", "categorical", 0.0),
    )
    given_inputs = (torch.tensor([1, 2, 3, 4, 5]), torch.tensor([0, 2, 3]), torch.tensor([[1, 1], [2, 2], [3, 3]]))
    program = export(Tagged().eval(), given_inputs, tmp_path, ({0: tags}, {0: rows}, {0: rows}), columns)
    nan = np.nan
    good: dict[str, Any] = {"tags": [[1, 2], [nan, nan], [5, nan]], "country": [1, 2, 3], "device": [1, 2, 3]}
    assert unknown(program, samples(**good)) == []
    assert unknown(program, samples(**good | {"tags": [[1, 2], [nan, nan], [5, 6]]})) == [
        ("tags", "bag.weight", 6, [2], (6,))
    ]
    assert unknown(program, samples(**good | {"device": [1, 5, 3]})) == [("device", "table.weight", 10, [1], (10,))]
