"""The interpreter gives torch's bits, can be watched, cut and fed other values, and changes nothing it was given."""

import math
import re
import subprocess
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tools.program.calls import draws_random, resolve
from tools.program.graph import Argument, InputTensor, Kind, Node, Output, Program, Ref
from tools.program.interpreter import Interpreter, RunFailed, UnsupportedProgram
from tools.program.operators import ALLOWED, RANDOM

X = Ref("x")


def node(
    index: int, operator: str, *arguments: Argument, out: Output | Sequence[Output] = "", **keywords: Argument
) -> Node:
    outputs = tuple(out) if isinstance(out, list) else (out or f"v{index}",)
    return Node(index, f"n{index}", operator, arguments, keywords, outputs)


def program(
    *nodes: Node, outputs: tuple[str, ...] = (), weights: dict[str, Tensor] | None = None, sizes: Any = (None, 4)
) -> Program:
    given = weights or {}
    return Program(
        nodes=nodes,
        inputs=(InputTensor("x", "float32", sizes),),
        outputs=outputs or (f"v{len(nodes) - 1}",),
        weights=given,
        weight_names={name: name for name in given},
    )


def rows(count: int = 3) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(0))


TOWER = program(
    node(0, "aten.linear.default", X, Ref("w"), Ref("b")),
    node(1, "aten.relu.default", Ref("v0")),
    node(2, "aten.split_with_sizes.default", Ref("v1"), (1, 2), 1, out=[("left", "right")]),
    node(3, "aten.cat.default", (Ref("right"), Ref("left"), X), 1),
    node(4, "aten.sum.dim_IntList", Ref("v3"), (1,), dtype=Kind("dtype", "float64")),
    weights={"w": torch.arange(12.0).reshape(3, 4) / 7 - 0.8, "b": torch.tensor([0.1, -0.2, 0.3])},
)


def by_hand(x: Tensor) -> Tensor:
    hidden = torch.relu(torch.nn.functional.linear(x, TOWER.weights["w"], TOWER.weights["b"]))
    return torch.cat([hidden[:, 1:], hidden[:, :1], x], 1).sum(1, dtype=torch.float64)


def test_the_bits_are_those_of_torch() -> None:
    assert torch.equal(Interpreter(TOWER).run([rows()])["v4"], by_hand(rows()))


def test_every_node_is_watched_in_order_with_its_result() -> None:
    seen: list[tuple[str, Any]] = []
    Interpreter(TOWER).run([rows()], watch=lambda node, result: seen.append((node.name, result)))
    assert [name for name, _ in seen] == ["n0", "n1", "n2", "n3", "n4"]
    assert [part.shape for part in seen[2][1]] == [(3, 1), (3, 2)]


def test_values_are_freed_after_their_last_use() -> None:
    living: dict[str, weakref.ref[Tensor]] = {}
    there: list[set[str]] = []

    def watch(node: Node, result: Any) -> None:
        if isinstance(result, Tensor):
            living[node.name] = weakref.ref(result)
        there.append({name for name, reference in living.items() if reference() is not None})

    chain = program(*(node(place, "aten.exp.default", Ref(f"v{place - 1}") if place else X) for place in range(6)))
    Interpreter(chain).run([rows()], watch=watch)
    assert all(len(names) <= 2 for names in there)
    there.clear()
    Interpreter(chain).run([rows()], watch=watch, keep=["v0"])
    assert all("n0" in names for names in there)


def test_kept_values_come_with_the_outputs() -> None:
    answer = Interpreter(TOWER).run([rows()], keep=["left", "w", "x"])
    assert answer.keys() == {"v4", "left", "w", "x"}
    assert torch.equal(answer["w"], TOWER.weights["w"])


@pytest.mark.parametrize("name", ["x", "w", "v0", "left", "v4"])
def test_a_replaced_value_goes_on_in_its_place(name: str) -> None:
    interpreter = Interpreter(TOWER)
    seen = {}

    def replaced(value: Tensor) -> Tensor:
        seen["value"] = value
        return value * 0 + 1

    answer = interpreter.run([rows()], replace={name: replaced}, keep=[name])
    assert torch.equal(answer[name], torch.ones_like(answer[name]))
    assert torch.equal(seen["value"], interpreter.run([rows()], keep=[name])[name])
    if name != "v4":
        others = interpreter.run([rows()], given={name: torch.ones_like(seen["value"])})
        assert torch.equal(answer["v4"], others["v4"])


def test_watchers_see_what_goes_on() -> None:
    seen: dict[str, Any] = {}
    Interpreter(TOWER).run(
        [rows()],
        watch=lambda node, result: seen.update({node.name: result}),
        replace={"v0": torch.zeros_like, "right": torch.ones_like},
    )
    assert not seen["n0"].any()
    assert seen["n2"][1].eq(1).all()


def test_given_values_stand_for_weights_and_spare_the_nodes_that_compute_them() -> None:
    interpreter, ran = Interpreter(TOWER), list[int]()
    zero = interpreter.run([rows()], given={"w": torch.zeros(3, 4), "b": torch.zeros(3)})
    assert torch.equal(zero["v4"], rows().sum(1, dtype=torch.float64))
    interpreter.run([rows()], given={"v1": torch.zeros(3, 3)}, watch=lambda node, _: ran.append(node.index))
    assert ran == [0, 2, 3, 4]
    interpreter.run([rows()], given={"left": torch.zeros(3, 1)}, watch=lambda node, _: ran.append(node.index))
    assert ran[4:] == [0, 1, 2, 3, 4]  # the other part is still computed


def test_a_slice_runs_its_nodes_only() -> None:
    interpreter, ran = Interpreter(TOWER), list[int]()
    answer = interpreter.run([rows()], nodes=[0, 1], keep=["v1"], watch=lambda node, _: ran.append(node.index))
    assert ran == [0, 1]
    assert answer.keys() == {"v1"}
    whole = interpreter.run([rows()], keep=["v3"])
    rest = interpreter.run([rows()], nodes=[4], given={"v3": whole["v3"]})
    assert torch.equal(rest["v4"], whole["v4"])


def test_a_slice_with_a_gap_is_refused_by_name() -> None:
    with pytest.raises(RunFailed, match="'n3' reads left, right: neither given nor computed"):
        Interpreter(TOWER).run([rows()], nodes=[0, 1, 3, 4])


@pytest.mark.parametrize("argument", ["keep", "replace", "given"])
def test_a_name_that_is_not_there_is_an_error(argument: str) -> None:
    values: dict[str, Any] = {"keep": ["nowhere"], "replace": {"nowhere": torch.relu}, "given": {"nowhere": rows()}}
    with pytest.raises(KeyError, match="nowhere"):
        Interpreter(TOWER).run([rows()], **{argument: values[argument]})


def test_gradients_flow_only_when_asked_for() -> None:
    x = rows().requires_grad_()
    assert not Interpreter(TOWER).run([x])["v4"].requires_grad
    torch.autograd.backward(Interpreter(TOWER).run([x], gradients=True)["v4"].sum())
    reference = rows().requires_grad_()
    torch.autograd.backward(by_hand(reference).sum())
    assert x.grad is not None
    assert reference.grad is not None
    assert torch.equal(x.grad, reference.grad)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ([], "takes 1 inputs .x., not 0"),
        ([rows(), rows()], "not 2"),
        ([torch.zeros(3, 5)], r"'x' must have the sizes \(any, 4\), not \(3, 5\)"),
        ([torch.zeros(4)], "must have the sizes"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: list[Tensor], reason: str) -> None:
    with pytest.raises(RunFailed, match=reason):
        Interpreter(TOWER).run(inputs)


def test_a_batch_of_a_static_export_must_be_as_large() -> None:
    fixed = Interpreter(program(node(0, "aten.relu.default", X), sizes=(5, 4)))
    assert fixed.run([rows(5)])
    with pytest.raises(RunFailed, match="sizes .5, 4."):
        fixed.run([rows(4)])


def test_an_empty_batch_and_numbers_that_are_not_finite_are_run() -> None:
    interpreter = Interpreter(TOWER)
    assert interpreter.run([torch.zeros(0, 4)])["v4"].shape == (0,)
    answer = interpreter.run([torch.tensor([[math.nan, 1, 1, 1], [math.inf, 1, 1, 1], [0.0, 0, 0, 0]])])["v4"]
    assert [math.isfinite(value) for value in answer] == [False, False, True]


def test_an_id_beyond_its_table_names_the_node() -> None:
    table = program(
        node(0, "aten.to.dtype", X, Kind("dtype", "int64")),
        Node(
            1,
            "lookup",
            "aten.embedding.default",
            (Ref("w"), Ref("v0")),
            {},
            ("v1",),
            "tables.0",
            "Embedding",
            "a.py:3 in f",
        ),
        weights={"w": torch.zeros(5, 2)},
    )
    interpreter = Interpreter(table)
    with pytest.raises(
        RunFailed, match=r"'lookup' \(aten.embedding.default, module tables.0, a.py:3 in f\) failed: index"
    ):
        interpreter.run([torch.full((2, 4), 5.0)])


def test_operators_that_are_not_allowed_are_all_named() -> None:
    hostile = program(
        node(0, "aten.set_.source_Tensor", X, X), node(1, "aten.from_file.default", "a"), node(2, "os.system", "a")
    )
    with pytest.raises(UnsupportedProgram, match="aten.from_file.default, aten.set_.source_Tensor, os.system"):
        Interpreter(hostile)


@pytest.mark.parametrize(
    ("faulty", "reason"),
    [
        (program(node(0, "aten.relu.default", Ref("v1"))), "'v1' is read before anything gives it"),
        (program(node(0, "aten.relu.default", X, out="x")), "'x' is given twice"),
        (program(node(0, "aten.relu.default", X), outputs=("y",)), "'y' is read before"),
        (program(node(0, "aten.relu.default", X, X)), "do not fit"),
        (program(node(0, "aten.add.Tensor", X)), "lacks the arguments other"),
        (program(node(0, "aten.relu.default", X, memory_format=1)), "do not fit"),
        (program(node(0, "aten.zeros_like.default", X, dtype=Kind("dtype", "relu"))), "no dtype 'relu'"),
    ],
)
def test_a_program_that_makes_no_sense_is_refused(faulty: Program, reason: str) -> None:
    with pytest.raises(UnsupportedProgram, match=reason):
        Interpreter(faulty)


VIEWS = {
    "itself": (),
    "a view": (node(0, "aten.select.int", X, 1, 0),),
    "a view of a view": (node(0, "aten.t.default", X), node(1, "aten.slice.Tensor", Ref("v0"), 0, 0, 2)),
    "a reshape": (node(0, "aten.reshape.default", X, (-1,)),),
    "dropout that is off": (node(0, "aten.dropout.default", X, 0.5, False),),
}


@pytest.mark.parametrize("through", VIEWS)
@pytest.mark.parametrize("target", ["input", "weight"])
def test_writing_in_place_reaches_the_views_and_not_the_caller(through: str, target: str) -> None:
    """As in eager torch on a copy: other views of the same memory see what was written."""
    views = VIEWS[through]
    last = Ref(f"v{len(views) - 1}") if views else X
    nodes = [*views, node(len(views), "aten.add_.Scalar", last, 100.0)]
    nodes.append(node(len(nodes), "aten.mul.Tensor", X, Ref("one")))
    weights = {"one": torch.ones(())}
    value = rows()
    if target == "weight":
        weights["x"] = value
        made = Program(tuple(nodes), (), (f"v{len(nodes) - 1}",), weights, {name: name for name in weights})
    else:
        made = program(*nodes, weights=weights)
    interpreter = Interpreter(made)
    runs = [interpreter.run([] if target == "weight" else [value])[made.outputs[0]] for _ in range(2)]
    assert torch.equal(value, rows())
    assert torch.equal(runs[0], runs[1])
    changed = rows() + 100.0 if through in ("itself", "a reshape", "dropout that is off") else rows()
    if through == "a view":
        changed[:, 0] += 100.0
    if through == "a view of a view":
        changed[:, :2] += 100.0
    assert torch.equal(runs[0], changed)


def test_memory_that_was_never_filled_is_zeros() -> None:
    empty = Interpreter(program(node(0, "aten.empty.memory_format", (1000, 1000))))
    torch.full((1000, 1000), 7.0)
    assert not empty.run([rows()])["v0"].any()


def test_random_numbers_are_the_same_in_every_run_and_leave_the_callers_alone() -> None:
    noisy = Interpreter(
        program(node(0, "aten.dropout.default", X, 0.5, True), node(1, "aten.rand_like.default", Ref("v0")))
    )
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = noisy.run([rows()], keep=["v0"]), noisy.run([rows()], keep=["v0"])
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_draws_random_numbers_is_known() -> None:
    assert draws_random(node(0, "aten.dropout.default", X, 0.5, True))
    assert not draws_random(node(0, "aten.dropout.default", X, 0.5, False))
    assert not draws_random(node(0, "aten.dropout.default", X, 0.0, True))
    assert draws_random(node(0, "aten.bernoulli.default", X))
    assert not draws_random(node(0, "aten.scaled_dot_product_attention.default", X, X, X))
    assert draws_random(node(0, "aten.scaled_dot_product_attention.default", X, X, X, None, 0.1))


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_arithmetic_on_sizes_is_pythons_within_64_bits(a: int, b: int) -> None:
    for name in ("add", "sub", "mul"):
        expected = getattr(a, f"__{name}__")(b)
        if -(2**63) <= expected < 2**63:
            assert resolve(f"operator.{name}")(a, b) == expected
        else:
            with pytest.raises(OverflowError, match="too large for a size"):
                resolve(f"operator.{name}")(a, b)


def test_every_allowed_operator_is_there_and_none_touches_files_or_storage() -> None:
    for operator in ALLOWED:
        function: Any = resolve(operator)
        if operator.startswith("aten."):
            kinds = {str(argument.type) for argument in function._schema.arguments}
            assert not kinds & {"Storage", "Stream", "__torch__.torch.classes", "Any"}, operator
    forbidden = re.compile(r"aten\.(set_|set_data|\w*(file|resize|load|pickle|print|stream)\w*)\.|\.out$")
    assert not [name for name in ALLOWED if forbidden.search(name)]
    assert RANDOM < ALLOWED


def test_torch_is_loaded_only_to_run() -> None:
    code = "import tools.program.interpreter, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
