"""Changes to a graph: what they do to it, and that trying them leaves the program as it was."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tools.program.exported import export
from tools.program import edits
from tools.program.graph import Program
from tools.program.interpreter import Interpreter
from tools.program.slices import reads


class Ratio(nn.Module):
    def forward(self, dense: Tensor) -> Tensor:
        return dense[:, 0] / (dense[:, 1] - dense[:, 2])


class Log(nn.Module):
    def forward(self, dense: Tensor) -> Tensor:
        return torch.log(dense).sum(1)


class Projected(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(3, 2, bias=False)

    def forward(self, dense: Tensor) -> Tensor:
        projected: Tensor = self.out(dense * 1)
        return projected


class Half(nn.Module):
    def forward(self, dense: Tensor) -> Tensor:
        halves = dense.half()
        return (halves * halves).sum(1)


def exported(module: nn.Module, folder: Path) -> Program:
    return export(module.eval(), (torch.rand(4, 3),), folder)


def operand(program: Program, operator: str, place: int) -> tuple[int, str]:
    node = next(node for node in program.nodes if node.operator == operator)
    return node.index, node.arguments[place].name  # type: ignore[union-attr]


def answer(program: Program, *rows: list[float]) -> list[float]:
    values = Interpreter(program).run((torch.tensor(rows),))
    return next(iter(values.values())).tolist()


def test_an_epsilon_keeps_the_sign_of_a_divisor(tmp_path: Path) -> None:
    program = exported(Ratio(), tmp_path)
    index, name = operand(program, "aten.div.Tensor", 1)
    edited = edits.with_epsilon(program, program.nodes[index], name, 0.5, signed=True)
    assert answer(edited, [1, 2, 1], [1, 1, 1], [1, 1, 1.25]) == [1, 2, -2]
    assert answer(program, [1, 1, 1]) == [torch.inf]  # as it was


def test_an_epsilon_under_a_logarithm(tmp_path: Path) -> None:
    program = exported(Log(), tmp_path)
    index, name = operand(program, "aten.log.default", 0)
    edited = edits.with_epsilon(program, program.nodes[index], name, 1.0, signed=False)
    assert answer(edited, [-1, 0, 1]) == [0]


def test_layer_norm_before_a_product(tmp_path: Path) -> None:
    program = exported(Projected(), tmp_path)
    index, name = operand(program, "aten.linear.default", 0)
    edited = edits.with_layer_norm(program, program.nodes[index], name, 3)
    small, large = torch.tensor(answer(edited, [1.0, 2, 3], [1000, 2000, 3000]))
    assert torch.allclose(small, large, atol=1e-3)


def test_single_precision_instead_of_half(tmp_path: Path) -> None:
    program = exported(Half(), tmp_path)
    assert answer(program, [300.0, 0, 0]) == [torch.inf]
    assert answer(edits.in_single_precision(program), [300.0, 0, 0]) == [90_000]


@pytest.mark.parametrize("module", [Ratio(), Log(), Half()])
def test_an_edited_graph_is_numbered_in_its_order(module: nn.Module, tmp_path: Path) -> None:
    program = exported(module, tmp_path)
    last = program.nodes[-1]
    edited = edits.with_epsilon(program, last, reads(last)[0], 1.0, signed=True)
    assert [node.index for node in edited.nodes] == list(range(len(program.nodes) + 3))
