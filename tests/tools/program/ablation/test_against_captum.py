"""Models of the literature, none of which the engine was made for: the figures are captum's."""

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from knowledge.exporting import export as export_proven
from knowledge.exporting import save
from knowledge.pt2 import read_program
from tests.models.families import FAMILIES
from tests.models.layers import tower
from tests.tools.program.ablation.reference import by_captum, settled
from tests.tools.program.exported import export
from tools.program.ablation import spread
from tools.program.ablation.ablate import ablate
from tools.program.ablation.features import features_of, taken_away
from tools.program.ablation.states import Spread, State, Whole, as_whole
from tools.program.batch import Batch
from tools.program.graph import Program
from tools.program.interpreter import Interpreter

ROWS = 24


def expected_of(module: nn.Module, program: Program, inputs: Sequence[Tensor]) -> Tensor:
    """float[features, rows]: captum's figures, with the features and the baselines that are taken here."""
    masks = [torch.zeros_like(value[:1], dtype=torch.int64) for value in inputs]
    baselines = [value[:1].clone() for value in inputs]
    features = features_of(Batch(program, inputs))
    for number, feature in enumerate(features):
        for place, own in feature.places.items():
            masks[place].view(-1)[torch.from_numpy(own)] = number
            baselines[place].view(-1)[torch.from_numpy(own)] = feature.baselines[place]
    found = by_captum(module, inputs, baselines, masks)
    return torch.stack([found[number] for number in range(len(features))])


NAMES = (
    *("AFM", "AutoInt", "BST", "DCN", "DCN-V2", "DeepFM", "DIEN", "DIN", "EmbeddingBag, square", "FiBiNET"),
    *("FT-Transformer", "NFM", "PNN", "Wide & Deep", "xDeepFM"),
)


@pytest.mark.parametrize("name", NAMES)
def test_models_of_the_literature_give_what_captum_gives(name: str, tmp_path: Path) -> None:
    torch.manual_seed(11)
    family, generator = FAMILIES[name], torch.Generator().manual_seed(12)
    module = settled(family.make())
    save(
        export_proven(module, family.batch(6, generator), family.batch(9, generator)), tmp_path / "m.pt2", "family", []
    )
    program, inputs = read_program(tmp_path / "m.pt2"), family.batch(ROWS, generator)
    found = ablate(program, inputs)
    apart = (found.differences[:, :, 0] - expected_of(module, program, inputs)).abs()
    assert float(apart.max()) <= 1e-6
    assert float(found.differences.abs().max()) > 1e-3  # and they are figures


class LowRankCrosses(nn.Module):
    """Deep and cross, with crosses of low rank, a norm, and what is cut out of the crosses again."""

    def __init__(self, dense: int, fields: int, width: int = 4, rank: int = 3) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(20, width) for _ in range(fields))
        size = dense + fields * width
        self.down = nn.ModuleList(nn.Linear(size, rank, bias=False) for _ in range(3))
        self.up = nn.ModuleList(nn.Linear(rank, size) for _ in range(3))
        self.deep = tower(size, 8, 4)
        self.last = nn.Linear(size // 2 + 4, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        rows = [table(ids[:, place]) for place, table in enumerate(self.tables)]
        first = crossed = torch.cat([dense, *rows], 1)
        for place, (down, up) in enumerate(zip(self.down, self.up, strict=True)):
            crossed = crossed - 0.5 * first * up(down(crossed)) if place else first * up(down(crossed)) + crossed
        joined = torch.cat([crossed[:, : crossed.shape[1] // 2], torch.relu(self.deep(first))], 1)
        answer: Tensor = self.last(joined)
        return answer.squeeze(1)


def crossed_rows(dense: int, fields: int) -> tuple[Tensor, Tensor]:
    return torch.randn(ROWS, dense), torch.randint(0, 20, (ROWS, fields))


def test_crosses_of_low_rank_are_never_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(13)
    module, inputs = settled(LowRankCrosses(60, 6, rank=8)), crossed_rows(60, 6)
    program = export(module, inputs, tmp_path)
    met = []

    def watched(state: State, plain: Tensor) -> Whole:
        met.append(isinstance(state, Spread))
        return as_whole(state, plain)

    monkeypatch.setattr("tools.program.ablation.block.as_whole", watched)
    found = ablate(program, inputs)
    apart = (found.differences[:, :, 0] - expected_of(module, program, inputs)).abs()
    assert float(apart.max()) <= 1e-6
    assert not any(met)
    assert found.notes == ()


@pytest.mark.parametrize("number", [1e6, 1e30, float("inf"), float("-inf"), float("nan"), 0.0])
@pytest.mark.parametrize("everywhere", [False, True])
def test_no_number_costs_the_others_their_digits(number: float, everywhere: bool, tmp_path: Path) -> None:
    """Judged by the same model in twice the precision: as near to it as a full run is."""
    torch.manual_seed(14)
    module, inputs = settled(LowRankCrosses(12, 3)), crossed_rows(12, 3)
    inputs[0][slice(None) if everywhere else 5, 3] = number
    program = export(module, inputs, tmp_path)
    batch, interpreter, exact = Batch(program, inputs), Interpreter(program), copy.deepcopy(module).double()
    plain, found = interpreter.run(inputs)[program.outputs[0]], ablate(program, inputs)
    for feature, differences in zip(features_of(batch), found.differences[:, :, 0], strict=True):
        changed = taken_away([feature], batch)
        in_full = plain - interpreter.run(changed)[program.outputs[0]]
        truth = exact(inputs[0].double(), inputs[1]) - exact(changed[0].double(), changed[1])
        assert torch.equal(differences.isfinite(), in_full.isfinite())
        rows = in_full.isfinite() & truth.isfinite()
        size = torch.maximum(plain.abs(), (plain - in_full).abs()).clamp(min=1)
        allowed = (4 * (in_full - truth).abs() + 2e-6 * size)[rows]
        assert bool(((differences - truth)[rows].abs() <= allowed).all()), feature.name


def test_few_features_multiply_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(15)
    module, inputs = settled(LowRankCrosses(12, 3)), crossed_rows(12, 3)
    program = export(module, inputs, tmp_path)
    everything, some = ablate(program, inputs), ablate(program, inputs, ("dense.7",))
    at = everything.features.index("dense.7")
    torch.testing.assert_close(some.differences[0], everything.differences[at], rtol=0, atol=1e-6)
    monkeypatch.setattr(spread, "MOST_BYTES", 0)
    torch.testing.assert_close(ablate(program, inputs).differences, everything.differences, rtol=0, atol=1e-6)
