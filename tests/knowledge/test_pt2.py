"""Real torch.export files are read exactly: tensors to the bit, and the graph with the names that people know."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from knowledge.pt2 import read_program, read_pt2
from tests.knowledge import hostile
from tools.ports import UnreadableArtifact
from tools.program.graph import Column, InputTensor, Program
from tools.program.interpreter import Interpreter, RunFailed

ROWS = Dim("rows")
FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)


def save(module: nn.Module, inputs: tuple[Tensor, ...], path: Path, shapes: Any = None, train: bool = False) -> Path:
    with warnings.catch_warnings(), path.open("wb") as file:
        warnings.simplefilter("ignore")
        program = torch.export.export(module.train(train), inputs, dynamic_shapes=shapes)
        torch.export.save(program, file)
    return path


class Kinds(nn.Module):
    """The kinds of tensors that models have."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 4)
        self.dense = nn.Linear(4, 3)
        self.tied = self.dense.weight
        self.narrow = nn.Parameter(torch.randn(3).bfloat16())
        self.short = nn.Parameter(torch.randn(3).half())
        self.turned = nn.Parameter(torch.randn(3, 2).t().contiguous().t())
        self.register_buffer("steps", torch.tensor(7))
        self.register_buffer("mask", torch.tensor([True, False, True]), persistent=False)
        for place, dtype in enumerate(FLOAT8):
            self.register_buffer(f"eight{place}", torch.randn(3).to(dtype))

    def forward(self, ids: Tensor) -> dict[str, Any]:
        eights = torch.stack([self.get_buffer(f"eight{place}").float() for place in range(4)]).sum(0)
        out = self.dense(self.table(ids)) + self.narrow.float() + self.short + self.turned.sum() + self.steps + eights
        return {"out": out * self.mask * torch.tensor(2.0), "rows": ids.shape[0], "same": out, "nothing": None}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Kinds]:
    torch.manual_seed(0)
    model = Kinds()
    ids = torch.zeros(2, dtype=torch.long)
    return save(model, (ids,), tmp_path_factory.mktemp("exported") / "m.pt2", ({0: ROWS},)), model


def test_every_tensor_is_read_as_torch_has_it(exported: tuple[Path, Kinds]) -> None:
    path, model = exported
    read = read_pt2(path)
    state = model.state_dict() | {"mask": model.get_buffer("mask")}
    assert read.keys() >= state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(np.asarray(read[name], dtype=np.float32), tensor.float().numpy())
        assert not read[name].flags.writeable


def test_a_program_holds_the_tensors_as_they_are(exported: tuple[Path, Kinds]) -> None:
    path, model = exported
    program = read_program(path)
    by_name = {program.weight_names[value]: tensor for value, tensor in program.weights.items()}
    for name, tensor in model.state_dict().items():
        if name != "tied":
            assert by_name[name].dtype == tensor.dtype
            assert torch.equal(by_name[name].float(), tensor.float())


def test_no_torch_is_needed_for_the_weights(exported: tuple[Path, Kinds]) -> None:
    read = f"p.read_pt2(pathlib.Path({str(exported[0])!r}))"
    code = f"import sys, pathlib, knowledge.pt2 as p; {read}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_program_gives_the_bits_that_torch_gives(exported: tuple[Path, Kinds]) -> None:
    path, _ = exported
    program = read_program(path)
    ids = torch.tensor([1, 7, 0, 3])
    with torch.no_grad():
        expected = torch.export.load(path).module()(ids)
    answer = Interpreter(program).run([ids])
    assert len(program.outputs) == 2  # a number of rows and a None are no tensors
    assert torch.equal(answer[program.outputs[0]], expected["out"])
    assert torch.equal(answer[program.outputs[1]], expected["same"])


def test_inputs_are_described_and_open_sizes_are_open(exported: tuple[Path, Kinds]) -> None:
    assert read_program(exported[0]).inputs == (InputTensor("ids", "int64", (None,)),)


def test_nodes_carry_module_class_and_source_line(exported: tuple[Path, Kinds]) -> None:
    nodes = {node.operator: node for node in read_program(exported[0]).nodes}
    linear = nodes["aten.linear.default"]
    assert (linear.module, linear.module_class) == ("dense", "Linear")
    assert linear.source is not None
    assert linear.source.startswith("test_pt2.py:")
    assert linear.source.endswith(" in forward")
    top = nodes["aten.stack.default"]
    assert (top.module, top.module_class) == (None, "Kinds")


def test_a_batch_norm_in_training_changes_nothing_stored(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    rows = torch.randn(6, 3)
    path = save(model, (rows,), tmp_path / "m.pt2", ({0: ROWS},), train=True)
    before = path.read_bytes()
    program = read_program(path)
    stored = {name: tensor.clone() for name, tensor in program.weights.items()}
    interpreter = Interpreter(program)
    first, second = (next(iter(interpreter.run([rows]).values())) for _ in range(2))
    assert torch.equal(first, second)  # dropout is drawn from a fixed seed
    assert all(torch.equal(program.weights[name], tensor) for name, tensor in stored.items())
    assert path.read_bytes() == before
    assert any("random numbers" in note and "evaluation mode" in note for note in program.notes)


def test_a_snapshot_for_another_device_is_run_on_the_cpu_and_says_so(tmp_path: Path) -> None:
    class Places(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.arange(x.shape[1], device="cpu")

    path = save(Places(), (torch.zeros(2, 3),), tmp_path / "m.pt2", ({0: ROWS},))
    assert read_program(path).notes == ()

    def on_cuda(entries: hostile.Entries) -> None:
        entries[hostile.MODEL] = entries[hostile.MODEL].replace(b'"type": "cpu"', b'"type": "cuda"')

    moved = read_program(hostile.rewrite(path, tmp_path / "cuda.pt2", on_cuda))
    assert moved.notes == ("The snapshot was exported for cuda; it is run on the CPU here.",)
    (answer,) = Interpreter(moved).run([torch.zeros(2, 3)]).values()
    assert answer.tolist() == [[0.0, 1.0, 2.0]] * 2


class Frozen(nn.Module):
    """Parts under no_grad, with sizes and lists of tensors among what they give."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.free = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            hidden = self.frozen(x)
            width = x.shape[0] * 2
            left, right = hidden.split(2, 1)
            same = hidden.sin()
        free = self.free(hidden) * width
        with torch.no_grad():
            last = free.cos()
        return free * same + last, left + right, hidden


def test_parts_without_gradients_are_written_out(tmp_path: Path) -> None:
    path = save(Frozen(), (torch.zeros(3, 4),), tmp_path / "m.pt2", ({0: ROWS},))
    assert b"wrap_with_set_grad_enabled" in path.read_bytes()
    program = read_program(path)
    assert all(node.operator.startswith(("aten.", "operator.")) for node in program.nodes)
    assert {node.module for node in program.nodes} >= {"frozen", "free"}
    rows = torch.randn(5, 4)
    with torch.no_grad():
        expected = torch.export.load(path).module()(rows)
    answer = Interpreter(program).run([rows])
    assert [torch.equal(answer[name], one) for name, one in zip(program.outputs, expected, strict=True)] == [True] * 3


def test_a_part_may_give_what_it_was_given(tmp_path: Path) -> None:
    same = hostile.switch(
        {"inputs": [hostile.ref("a")], "outputs": [hostile.ref("a")], "nodes": []}, hostile.ref("linear")
    )
    program = read_program(hostile.rewrite(hostile.honest(tmp_path / "m.pt2"), tmp_path / "same.pt2", same))
    rows = torch.randn(2, 4)
    answer = Interpreter(program).run([rows], keep=["linear"])
    assert torch.equal(answer[program.outputs[0]], torch.sigmoid(answer["linear"]))


class Branches(nn.Module):
    """Control flow that depends on the data."""

    def forward(self, x: Tensor) -> Tensor:
        chosen: Tensor = torch.cond(x.sum() > 0, lambda y: y.sin(), lambda y: y.cos(), (x,))
        return chosen


def test_real_control_flow_is_refused_by_name(tmp_path: Path) -> None:
    path = save(Branches(), (torch.zeros(3, 4),), tmp_path / "m.pt2", ({0: ROWS},))
    with pytest.raises(UnreadableArtifact, match=r"torch.ops.higher_order.cond.: it is control flow"):
        read_program(path)


class SizesFromData(nn.Module):
    """Sizes that only the data say, with integer and bool tensors in between."""

    def forward(self, x: Tensor, take: Tensor, wanted: Tensor) -> tuple[Tensor, ...]:
        count: Any = wanted.item()
        torch._check(count >= 1)  # type: ignore[no-untyped-call]
        torch._check(count <= x.shape[1])  # type: ignore[no-untyped-call]
        return x[take].sum(0), torch.nonzero(take), x[:, :count], ~take, wanted.to(torch.int32)


def test_sizes_from_data_are_followed(tmp_path: Path) -> None:
    inputs = (torch.randn(3, 4), torch.tensor([True, False, True]), torch.tensor(2))
    path = save(SizesFromData(), inputs, tmp_path / "m.pt2", ({0: ROWS}, {0: ROWS}, None))
    program = read_program(path)
    interpreter, module = Interpreter(program), torch.export.load(path).module()
    for take in ([True, True, False, False, True], [False] * 5):
        rows = (torch.randn(5, 4), torch.tensor(take), torch.tensor(3))
        answer = interpreter.run(rows)
        for name, expected in zip(program.outputs, module(*rows), strict=True):
            assert answer[name].dtype == expected.dtype
            assert torch.equal(answer[name], expected)
    with pytest.raises(RunFailed, match="node '_assert_scalar"):
        interpreter.run((torch.randn(5, 4), torch.tensor(take), torch.tensor(9)))


class Inputs(nn.Module):
    """One input of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.bags = nn.Embedding(9, 2), nn.EmbeddingBag(9, 2)

    def forward(self, dense: Tensor, ids: Tensor, tags: Tensor, starts: Tensor, clicks: Tensor) -> Tensor:
        sums = self.table(ids).sum(1) + self.table(clicks).sum(1) + self.bags(tags, starts)
        return torch.cat([dense, sums], 1)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ids = torch.zeros(2, 2, dtype=torch.long)
    inputs = (torch.zeros(2, 3), ids, torch.zeros(5, dtype=torch.long), torch.tensor([0, 2]), ids)
    shapes = ({0: ROWS}, {0: ROWS}, {0: Dim("tags")}, {0: ROWS}, {0: ROWS})
    return save(Inputs(), inputs, tmp_path_factory.mktemp("described") / "m.pt2", shapes)


DENSE = {"column": 1, "feature": "distance", "kind": "dense", "baseline": 3, "missing": 0.0}
BAG = {"column": 0, "feature": "tags", "kind": "bag", "baseline": 0, "offsets": "starts"}
SEQUENCE = {"column": 0, "feature": "clicks", "kind": "sequence", "baseline": 0}


def describe(artifact: Path, said: Any) -> Program:
    beside = artifact.with_name("m.features.json")
    beside.write_text(said if isinstance(said, str) else json.dumps(said))
    try:
        return read_program(artifact)
    finally:
        beside.unlink()


def test_columns_come_from_the_file_beside_the_artifact(described: Path) -> None:
    inputs = {"dense": [DENSE], "tags": [BAG], "clicks": [SEQUENCE]}
    program = describe(described, {"model": "m", "inputs": inputs, "notes": ["exported with\n\x1bstrict=False"]})
    assert program.columns == (
        Column("dense", 1, "distance", "dense", 3.0, missing=0.0),
        Column("tags", 0, "tags", "bag", 0.0, offsets="starts"),
        Column("clicks", 0, "clicks", "sequence", 0.0),
    )
    assert program.notes == ("exported with  strict=False",)
    assert read_program(described).columns == ()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ([], "valid dictionary"),
        ({"inputs": {}}, "model"),
        ({"model": "m", "inputs": {}, "code": "x"}, "code"),
        (
            {"model": "m", "inputs": {"nowhere": []}},
            "no input 'nowhere'; its inputs are dense, ids, tags, starts, clicks",
        ),
        ({"model": "m", "inputs": {"dense": [DENSE | {"column": 3}]}}, "the tensor has 3 columns"),
        ({"model": "m", "inputs": {"dense": [DENSE | {"column": -1}]}}, "greater than or equal"),
        ({"model": "m", "inputs": {"dense": [DENSE, DENSE]}}, "there twice"),
        ({"model": "m", "inputs": {"dense": [DENSE | {"kind": "text"}]}}, "kind"),
        ({"model": "m", "inputs": {"dense": [DENSE | {"baseline": "1"}]}}, "baseline"),
        (
            '{"model": "m", "inputs": {"dense": [{"column": 0, "feature": "d", "kind": "dense", "baseline": NaN}]}}',
            "baseline",
        ),
        ({"model": "m", "inputs": {"dense": [DENSE | {"feature": ""}]}}, "feature"),
        ({"model": "m", "inputs": {"dense": [DENSE | {"feature": "\x1b[2J"}]}}, "feature"),
        ({"model": "m", "inputs": {"dense": [DENSE | {"offsets": "starts"}]}}, "only a bag"),
        ({"model": "m", "inputs": {"tags": [BAG | {"offsets": None}]}}, "names the tensor of its offsets"),
        ({"model": "m", "inputs": {"tags": [BAG | {"offsets": "nowhere"}]}}, "no input 'nowhere'"),
        ({"model": "m", "inputs": {"clicks": [SEQUENCE, DENSE]}}, "for itself"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(described: Path, said: Any, reason: str) -> None:
    with pytest.raises(UnreadableArtifact, match=reason) as refused:
        describe(described, said)
    assert "m.features.json" in str(refused.value)


def test_a_description_that_is_a_link_out_of_the_folder_is_refused(described: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"password": "x"}')
    beside = described.with_name("m.features.json")
    beside.symlink_to(tmp_path / "secret.json")
    try:
        with pytest.raises(UnreadableArtifact, match="link that leads out") as refused:
            read_program(described)
        assert "password" not in str(refused.value)
    finally:
        beside.unlink()


def test_an_empty_batch_and_a_batch_of_one_are_run(exported: tuple[Path, Kinds]) -> None:
    interpreter = Interpreter(read_program(exported[0]))
    for rows in (0, 1):
        answer = interpreter.run([torch.zeros(rows, dtype=torch.long)])
        assert {tuple(tensor.shape) for tensor in answer.values()} == {(rows, 3)}
