"""Snapshots of weights alone: the configured function makes the module, and its operators are recorded on the rows."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from knowledge.programs import open_program
from knowledge.safetensors import read_safetensors
from tests.models.unexportable import Branching
from tools.ports import UnreadableArtifact
from tools.program.interpreter import Interpreter

FACTORY = "tests.models.unexportable:Branching"
COLUMNS = [{"column": place, "feature": f"f{place}", "kind": "dense", "baseline": 0.0} for place in range(4)]


def published(folder: Path, module: nn.Module, inputs: Any = None) -> Path:
    torch.save(module.state_dict(), folder / "m.pt")
    described = {"model": "ranker", "inputs": {"dense": COLUMNS} if inputs is None else inputs}
    (folder / "m.features.json").write_text(json.dumps(described))
    return folder / "m.pt"


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    return Branching().eval()


def test_the_operators_of_these_rows_are_recorded_and_run_again(tmp_path: Path, module: nn.Module) -> None:
    program = open_program(published(tmp_path, module), FACTORY)
    assert program.nodes == ()
    assert [(tensor.name, tensor.dtype, tensor.sizes) for tensor in program.inputs] == [("dense", "float32", (None, 4))]

    for rows in (torch.randn(9, 4), torch.randn(7, 4) * 1000):  # the usual path, and the other one
        recorded = program.on([rows])
        (output,) = recorded.outputs
        answer = Interpreter(recorded).run([rows])[output]
        with torch.no_grad():
            torch.testing.assert_close(answer, module(rows))
        assert [column.feature for column in recorded.columns] == ["f0", "f1", "f2", "f3"]
        assert "read out of a tensor" in " ".join(recorded.notes)
        assert FACTORY in recorded.notes[0]


def test_without_a_factory_the_setting_is_named(tmp_path: Path, module: nn.Module) -> None:
    with pytest.raises(UnreadableArtifact, match="setting `factories`"):
        open_program(published(tmp_path, module))


def test_without_a_description_the_inputs_are_not_guessed(tmp_path: Path, module: nn.Module) -> None:
    path = published(tmp_path, module)
    (tmp_path / "m.features.json").unlink()
    with pytest.raises(UnreadableArtifact, match=r"no m\.features\.json beside it"):
        open_program(path, FACTORY)


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("no.such.package:build", "could not make the model: ModuleNotFoundError"),
        ("tests.models.unexportable:missing", "could not make the model: AttributeError"),
        ("tests.models.unexportable:FixedRows", "could not make the model: TypeError"),
        ("tests.models.layers:tower", "the weights do not fit the model"),
        ("builtins:dict", "answers with a dict, not an nn.Module"),
    ],
)
def test_a_factory_that_does_not_fit(tmp_path: Path, module: nn.Module, factory: str, says: str) -> None:
    with pytest.raises(UnreadableArtifact, match=says):
        open_program(published(tmp_path, module), factory)


def test_rows_that_the_model_does_not_take(tmp_path: Path, module: nn.Module) -> None:
    program = open_program(published(tmp_path, module), FACTORY)
    with pytest.raises(UnreadableArtifact, match="could not be recorded on these rows"):
        program.on([torch.zeros(3, 5)])


def test_what_cannot_be_recorded_is_watched_by_its_modules(tmp_path: Path) -> None:
    program = open_program(published(tmp_path, Foreign()), f"{__name__}:Foreign")
    with pytest.raises(UnreadableArtifact) as refused:
        program.on([torch.tensor([[-1.0, 1.0, 1.0, 1.0]])])
    assert "operators that are not run here: hawkeye_tests.shifted.default" in str(refused.value)
    assert "the first non-finite values in the output of 'logarithm' (Logarithm): 1 of 4 values" in str(refused.value)


def test_bags_and_sequences_are_given_by_name(tmp_path: Path) -> None:
    inputs = {
        "items": [{"column": 0, "feature": "basket", "kind": "bag", "baseline": 1, "offsets": "starts"}],
        "past": [{"column": 0, "feature": "history", "kind": "sequence", "baseline": 0}],
    }
    torch.manual_seed(0)
    module = Baskets()
    program = open_program(published(tmp_path, module, inputs), f"{__name__}:Baskets")
    assert [(tensor.name, tensor.sizes) for tensor in program.inputs] == [
        ("items", (None,)),
        ("starts", (None,)),
        ("past", (None, None)),
    ]
    rows = [torch.tensor([1, 2, 3]), torch.tensor([0, 2]), torch.tensor([[4, 5, 6], [7, 8, 9]])]
    recorded = program.on(rows)
    answer = Interpreter(recorded).run(rows)[recorded.outputs[0]]
    torch.testing.assert_close(answer, module(starts=rows[1], items=rows[0], past=rows[2]).detach())


def test_safetensors_serve_as_well(tmp_path: Path, module: nn.Module) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    published(tmp_path, module)
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    assert read_safetensors(tmp_path / "m.safetensors").keys() == module.state_dict().keys()
    assert open_program(tmp_path / "m.safetensors", FACTORY).on([torch.zeros(2, 4)]).nodes


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.log()


class Foreign(nn.Module):
    """Calls an operator of an extension, which is on no list."""

    def __init__(self) -> None:
        super().__init__()
        self.logarithm, self.bias = Logarithm(), nn.Parameter(torch.zeros(1))

    def forward(self, dense: Tensor) -> Tensor:
        answer: Tensor = shifted(self.logarithm(dense)) + self.bias
        return answer


@torch.library.custom_op("hawkeye_tests::shifted", mutates_args=())
def shifted(x: Tensor) -> Tensor:
    return x + 1


class Baskets(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bags, self.ids = nn.EmbeddingBag(10, 3), nn.Embedding(10, 3)

    def forward(self, past: Tensor, starts: Tensor, items: Tensor) -> Tensor:
        answer: Tensor = self.bags(items, starts) + self.ids(past).mean(1)
        return answer
