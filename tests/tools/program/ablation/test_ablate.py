"""The figures are captum's, for every kind of input, by rules, by blocks and by full runs alike."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from knowledge.exporting import export as export_proven
from knowledge.exporting import save
from knowledge.exporting.factories import program_from
from knowledge.pt2 import read_program
from tests.models.dlrm import DLRM
from tests.models.families import FAMILIES
from tests.models.layers import tower
from tests.tools.program.ablation.reference import by_captum, settled
from tests.tools.program.exported import export
from tools.program.ablation import ablate as engine
from tools.program.ablation.ablate import Ablation, ablate
from tools.program.ablation.features import features_of, taken_away
from tools.program.batch import Batch
from tools.program.columns import UnfitRows
from tools.program.graph import Column, InputTensor, Program
from tools.program.interpreter import Interpreter

ROWS = 24
DENSE, FIELDS = 6, 3


class EveryInput(nn.Module):
    """Numbers, ids, a sequence padded with 0, and a padded bag with its lengths, of which the mean is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.normal = nn.BatchNorm1d(DENSE)
        self.tables = nn.ModuleList(nn.Embedding(20, 4) for _ in range(FIELDS))
        self.items, self.words = nn.Embedding(20, 4, padding_idx=0), nn.EmbeddingBag(20, 4, mode="mean")
        self.deep = tower(DENSE + 4 * (FIELDS + 2), 16, 1, inplace=True)

    def forward(self, dense: Tensor, ids: Tensor, history: Tensor, words: Tensor, starts: Tensor) -> Tensor:
        rows = [table(ids[:, place]) for place, table in enumerate(self.tables)]
        seen = (self.items(history) * (history > 0).unsqueeze(2)).sum(1)
        return torch.sigmoid(self.deep(torch.cat([self.normal(dense), *rows, seen, self.words(words, starts)], 1)))


def every_input(rows: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(rows)
    lengths = torch.randint(0, 4, (rows,), generator=generator)
    return (
        torch.randn(rows, DENSE, generator=generator),
        torch.randint(0, 20, (rows, FIELDS), generator=generator),
        torch.randint(0, 20, (rows, 5), generator=generator),
        torch.randint(0, 20, (int(lengths.sum()),), generator=generator),
        lengths.cumsum(0) - lengths,
    )


COLUMNS = (
    *(Column("dense", place, f"d{place}", "dense", 0.25) for place in range(DENSE)),
    *(Column("ids", place, f"s{place}", "categorical", 3.0) for place in range(FIELDS)),
    Column("history", 0, "history", "sequence", 2.0),
    Column("words", 0, "words", "bag", 1.0, offsets="starts"),
)


class Padded(nn.Module):
    """The same with the bag as a padded matrix, so that captum can give every row its own ids."""

    def __init__(self, module: EveryInput, lengths: Tensor) -> None:
        super().__init__()
        self.module, self.lengths = module, lengths

    def forward(self, dense: Tensor, ids: Tensor, history: Tensor, words: Tensor) -> Tensor:
        kept = words[torch.arange(words.shape[1]) < self.lengths.unsqueeze(1)]
        answer: Tensor = self.module(dense, ids, history, kept, self.lengths.cumsum(0) - self.lengths)
        return answer.squeeze(1)


def test_every_kind_of_input_is_taken_away_as_captum_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = settled(EveryInput())
    inputs = every_input(ROWS)
    rows, ids = torch.export.Dim("rows", min=2), torch.export.Dim("words", min=2)
    dynamic = ({0: rows}, {0: rows}, {0: rows}, {0: ids}, {0: rows})
    program = export(module, every_input(9), tmp_path, dynamic, COLUMNS)
    found = ablate(program, inputs)
    dense, sparse, history, words, starts = inputs
    lengths = torch.cat([starts, torch.tensor([len(words)])]).diff()
    padded = torch.zeros(ROWS, int(lengths.max()), dtype=torch.int64)
    padded[torch.arange(padded.shape[1]) < lengths.unsqueeze(1)] = words
    masks = (
        torch.arange(DENSE)[None],
        torch.arange(DENSE, DENSE + FIELDS)[None],
        torch.full((1, 5), DENSE + FIELDS),
        torch.full((1, padded.shape[1]), DENSE + FIELDS + 1),
    )
    baselines = (
        torch.full((1, DENSE), 0.25),
        *(torch.full_like(m, b) for m, b in zip(masks[1:], (3, 2, 1), strict=True)),
    )
    assert isinstance(module, EveryInput)
    expected = by_captum(Padded(module, lengths), (dense, sparse, history, padded), baselines, masks)
    assert found.features == tuple(column.feature for column in COLUMNS)
    for place, differences in enumerate(found.differences):
        assert float((differences[:, 0] - expected[place]).abs().max()) <= 1e-6, found.features[place]
    assert found.notes == ()


def test_a_feature_in_several_inputs_is_one(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = settled(DLRM(dense=DENSE, fields=FIELDS))
    inputs = torch.rand(ROWS, DENSE), torch.randint(0, 20, (ROWS, FIELDS))
    columns = [Column("dense", place, f"f{place % 4}", "dense", 0.5) for place in range(DENSE)]
    columns += [Column("ids", place, f"f{place}", "categorical", 7.0) for place in range(FIELDS)]
    found = ablate(export(module, inputs, tmp_path, columns=columns), inputs)
    masks = torch.tensor([[0, 1, 2, 3, 0, 1]]), torch.tensor([[0, 1, 2]])
    expected = by_captum(module, inputs, (torch.full((1, DENSE), 0.5), torch.full((1, FIELDS), 7)), masks)
    assert found.features == ("f0", "f1", "f2", "f3")
    for place, differences in enumerate(found.differences):
        assert float((differences[:, 0] - expected[place]).abs().max()) <= 1e-6


def in_full(program: Program, inputs: Sequence[Tensor], found: Ablation) -> Tensor:
    """The same figures by a run of the whole program for each feature."""
    interpreter, batch = Interpreter(program), Batch(program, inputs)
    differences = []
    for feature in features_of(batch):
        outputs = interpreter.run(taken_away([feature], batch))
        fitting = [outputs[name].reshape(ROWS, -1) for name in program.outputs if outputs[name].shape[:1] == (ROWS,)]
        value = next(value for value in fitting if value.shape[1] == found.predictions.shape[1])
        differences.append(found.predictions - value)
    return torch.stack(differences)


@pytest.mark.parametrize("name", ["every kind of input", "TabNet", "two towers"])
def test_models_with_other_inputs_give_what_full_runs_give(name: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    family, generator = FAMILIES[name], torch.Generator().manual_seed(3)
    exported = export_proven(settled(family.make()), family.batch(6, generator), family.batch(9, generator))
    save(exported, tmp_path / "m.pt2", "family", [])
    program = read_program(tmp_path / "m.pt2")
    inputs = [leaf for leaf in pytree.tree_leaves(family.batch(ROWS, generator)) if isinstance(leaf, Tensor)]
    found = ablate(program, inputs)
    torch.testing.assert_close(found.differences, in_full(program, inputs, found), rtol=0, atol=2e-6, equal_nan=True)
    assert len(found.features) > 1


def test_only_what_is_asked_for_is_taken_away_and_blocks_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(4)
    inputs = torch.rand(ROWS, 40), torch.randint(0, 20, (ROWS, 12))
    program = export(settled(DLRM(dense=40, fields=12)), inputs, tmp_path)
    everything = ablate(program, inputs)
    some = ablate(program, inputs, ("dense.7", "ids.3"))
    assert some.features == ("dense.7", "ids.3")
    wanted = [everything.features.index(name) for name in some.features]
    torch.testing.assert_close(some.differences, everything.differences[wanted], rtol=0, atol=1e-6)
    monkeypatch.setattr(engine, "BLOCK_BYTES", 1)
    torch.testing.assert_close(ablate(program, inputs).differences, everything.differences, rtol=0, atol=1e-6)


class InBatch(nn.Module):
    """A row's answer depends on the other rows."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(DENSE, 1)

    def forward(self, dense: Tensor) -> Tensor:
        return torch.sigmoid(self.out((dense - dense.mean(0)) / (dense.std(0) + 1))).squeeze(1)


def test_rows_that_are_mixed_are_run_one_feature_at_a_time(tmp_path: Path) -> None:
    torch.manual_seed(5)
    module, inputs = settled(InBatch()), (torch.randn(ROWS, DENSE),)
    columns = [Column("dense", place, f"d{place}", "dense", 0.5) for place in range(DENSE)]
    program = export(module, inputs, tmp_path, columns=columns)
    found = ablate(program, inputs)
    expected = by_captum(module, inputs, (torch.full((1, DENSE), 0.5),), (torch.arange(DENSE)[None],))
    for place, differences in enumerate(found.differences):
        assert float((differences[:, 0] - expected[place]).abs().max()) <= 1e-6


def test_numbers_of_any_size_and_none_are_taken_away_as_in_full_runs(tmp_path: Path) -> None:
    torch.manual_seed(6)
    module = settled(tower(DENSE, 16, 8, 1))
    dense = torch.randn(ROWS, DENSE)
    dense[:, 1] *= 1e7
    dense[3, 2], dense[4, 3], dense[5, 4] = float("nan"), float("inf"), -1e38
    program = export(module, (dense,), tmp_path, columns=[Column("input", p, f"d{p}", "dense", 0.5) for p in range(6)])
    found = ablate(program, (dense,))
    expected = in_full(program, (dense,), found)
    size = found.predictions.nan_to_num(0, 0, 0).abs().clamp(min=1)
    apart = ((found.differences - expected) / size).abs()
    assert torch.equal(found.differences.isnan(), expected.isnan())
    assert float(apart[apart.isfinite()].max()) <= 1e-6


def test_an_id_is_never_rounded() -> None:
    columns = (Column("ids", 0, "colour", "categorical", 2.5),)
    program = Program((), (InputTensor("ids", "int64", (None, 1)),), (), {}, {}, columns)
    batch = Batch(program, (torch.zeros(3, 1, dtype=torch.int64),))
    with pytest.raises(UnfitRows, match=r"baseline of colour is 2\.5.*whole"):
        features_of(batch)


def test_the_weights_that_a_feature_meets_first_are_named(tmp_path: Path) -> None:
    torch.manual_seed(7)
    inputs = torch.rand(ROWS, DENSE), torch.randint(0, 20, (ROWS, FIELDS))
    found = ablate(export(settled(DLRM(dense=DENSE, fields=FIELDS)), inputs, tmp_path), inputs)
    assert found.weights["dense.4"] == {("p_bottom_0_weight", (4,))}
    assert found.weights["ids.2"] == {("p_tables_2_weight", None)}


def recorded_model() -> nn.Module:
    """What the setting `factories` would name."""
    return DLRM(dense=DENSE, fields=FIELDS)


def test_a_model_from_a_factory_gives_the_same(tmp_path: Path) -> None:
    torch.manual_seed(8)
    module = settled(DLRM(dense=DENSE, fields=FIELDS))
    inputs = torch.rand(ROWS, DENSE), torch.randint(0, 20, (ROWS, FIELDS))
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    columns = {
        "dense": [{"column": p, "feature": f"d{p}", "kind": "dense", "baseline": 0.5} for p in range(DENSE)],
        "ids": [{"column": p, "feature": f"s{p}", "kind": "categorical", "baseline": 1.0} for p in range(FIELDS)],
    }
    (tmp_path / "m.features.json").write_text(json.dumps({"model": "m", "inputs": columns}))
    program = program_from(f"{__name__}:recorded_model", weights, tmp_path / "m.safetensors")
    masks = torch.arange(DENSE)[None], torch.arange(DENSE, DENSE + FIELDS)[None]
    expected = by_captum(module, inputs, (torch.full((1, DENSE), 0.5), torch.ones_like(masks[1])), masks)
    found = ablate(program, inputs)
    for place, differences in enumerate(found.differences):
        assert float((differences[:, 0] - expected[place]).abs().max()) <= 1e-6
    assert np.isfinite(found.predictions.numpy()).all()
