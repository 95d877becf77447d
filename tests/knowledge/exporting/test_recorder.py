"""What a module does is recorded operator by operator, with its edges, and runs again to the same."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn
from torch.utils import _pytree as pytree

from knowledge.exporting.proof import difference
from knowledge.exporting.recorder import NotRecordable, record
from tests.models.families import FAMILIES
from tests.models.unexportable import Branching, ThroughNumpy
from tools.program.graph import Program, Ref
from tools.program.interpreter import Interpreter


class Positional(nn.Module):
    """Gives tensors by name to a model that takes them by place, nested or not."""

    def __init__(self, inner: nn.Module, nesting: pytree.TreeSpec) -> None:
        super().__init__()
        self.inner, self.nesting = inner, nesting

    def forward(self, **inputs: Tensor) -> object:
        return self.inner(*pytree.tree_unflatten(list(inputs.values()), self.nesting))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_recorded(name: str) -> None:
    torch.manual_seed(0)
    family, generator = FAMILIES[name], Generator().manual_seed(2)
    tensors, nesting = pytree.tree_flatten(family.batch(7, generator))
    module = Positional(family.make(), nesting).eval()
    inputs = {f"x{place}": tensor for place, tensor in enumerate(tensors)}

    program = record(module, inputs)
    answer = Interpreter(program).run(tensors)
    with torch.no_grad():
        expected = pytree.tree_leaves(module(**inputs))
    assert difference(expected, [answer[output] for output in program.outputs]) is None
    assert inputs_reached(program) == set(inputs)
    assert set(program.weight_names.values()) >= {name for name, _ in module.named_parameters()}


def inputs_reached(program: Program) -> set[str]:
    """The inputs that the outputs depend on, by the edges of the graph."""
    makers = {name: node for node in program.nodes for name in pytree.tree_leaves(node.outputs)}
    reached, waiting = set[str](), list(program.outputs)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            node = makers.get(name)
            leaves = pytree.tree_leaves([node.arguments, dict(node.keywords)]) if node else []
            waiting += [leaf.name for leaf in leaves if isinstance(leaf, Ref)]
    return reached & {tensor.name for tensor in program.inputs}


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.gate(x)
        return answer


def test_nodes_say_where_they_come_from() -> None:
    program = record(Gated(), {"x": torch.zeros(2, 3)})
    told = [(node.operator, node.module, node.module_class) for node in program.nodes]
    assert told == [
        ("aten.t.default", "gate.0", "Linear"),
        ("aten.addmm.default", "gate.0", "Linear"),
        ("aten.sigmoid.default", "gate.1", "Sigmoid"),
    ]
    assert all(node.source and node.source.startswith("test_recorder.py:") for node in program.nodes)
    assert program.weight_names["p_gate_0_weight"] == "gate.0.weight"


def test_tensors_that_are_no_parameters_are_known_by_their_place() -> None:
    module = FAMILIES["AFM"].make().eval()  # which holds two plain tensors of indices
    program = record(Positional(module, pytree.tree_structure((0,))), {"x": torch.zeros(3, 5, dtype=torch.int64)})
    assert {"inner.left", "inner.right"} <= set(program.weight_names.values())
    assert len(program.notes) == 1


def test_the_path_taken_is_that_of_these_rows_and_said_to_be() -> None:
    usual = record(Branching(), {"dense": torch.zeros(3, 4)})
    unusual = record(Branching(), {"dense": torch.full((3, 4), 1000.0)})
    assert {node.module for node in usual.nodes} != {node.module for node in unusual.nodes}
    assert any(note.startswith("1 times a value was read out of a tensor") for note in usual.notes)


def test_what_leaves_torch_on_the_way_is_said() -> None:
    program = record(ThroughNumpy(), {"dense": torch.randn(3, 4)})
    assert inputs_reached(program) == set()
    assert any(note.startswith("1 tensors were made outside of torch's operators") for note in program.notes)


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand(3)  # the same for the same seed


class Counted(nn.Module):
    """Adds how often it has run, from memory that torch does not know to change."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = np.zeros(3, np.float32)

    def forward(self, x: Tensor) -> Tensor:
        counted = x + torch.from_numpy(self.runs)
        self.runs += 1
        return counted


def test_random_numbers_are_those_of_the_recording() -> None:
    assert record(Noisy(), {"x": torch.zeros(2, 3)}).nodes


def test_what_cannot_be_run_again_is_refused() -> None:
    with pytest.raises(NotRecordable, match="does not give the same"):
        record(Counted(), {"x": torch.zeros(2, 3)})


def test_the_module_is_as_it_was_afterwards() -> None:
    module = Branching()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        record(module, {"dense": torch.zeros(2, 5)})
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch._C._get_mkldnn_enabled()
