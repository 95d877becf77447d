"""Slices never miss a dependency: random programs, with views and writes in place, run whole and sliced."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.program.graph import InputTensor, Node, Program, Ref
from tools.program.interpreter import Interpreter
from tools.program.slices import Slice, backward, forward, gives, reads

ROWS, WIDTH = 3, 4
UNARY = ("relu", "neg", "tanh", "alias", "view_flat", "relu_", "neg_")
BINARY = ("add", "mul", "maximum", "add_")


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Up to 12 nodes on two inputs and a weight, all of one size."""
    values = ["x", "y", "w"]
    nodes = []
    for index in range(draw(st.integers(1, 12))):
        operator = draw(st.sampled_from((*UNARY, *BINARY, "split", "lone")))
        nodes.append(_node(index, operator, [draw(st.sampled_from(values)) for _ in range(2)]))
        values += gives(nodes[-1])
    outputs = tuple(dict.fromkeys(draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))))
    inputs = tuple(InputTensor(name, "float32", (None, WIDTH)) for name in ("x", "y"))
    return Program(
        tuple(nodes), inputs, outputs, {"w": torch.linspace(-1, 1, ROWS * WIDTH).view(ROWS, WIDTH)}, {"w": "w"}
    )


def _node(index: int, operator: str, taken: list[str]) -> Node:
    first, second = Ref(taken[0]), Ref(taken[1])
    name = f"v{index}"
    if operator == "view_flat":
        return Node(index, name, "aten.view.default", (first, (-1, WIDTH)), {}, (name,))
    if operator == "split":  # a list of one view
        return Node(index, name, "aten.split.Tensor", (first, WIDTH, 1), {}, ((name,),))
    if operator == "lone":
        return Node(index, name, "aten.cat.default", ((first,), 1), {}, (name,))
    if operator in BINARY:
        kind = "default" if operator == "maximum" else "Tensor"
        return Node(index, name, f"aten.{operator}.{kind}", (first, second), {}, (name,))
    return Node(index, name, f"aten.{operator}.default", (first,), {}, (name,))


@settings(max_examples=150, deadline=None)
@given(programs(), st.integers(0, 2**31))
def test_a_slice_gives_what_the_whole_program_gives(program: Program, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(ROWS, WIDTH, generator=generator) for _ in program.inputs]
    interpreter = Interpreter(program)
    whole = interpreter.run(inputs)
    for name in program.outputs:
        found = backward(program, [name])
        alone = interpreter.run(inputs, nodes=found.nodes, keep=[name])[name]
        assert torch.equal(alone, whole[name])


@settings(max_examples=150, deadline=None)
@given(programs(), st.integers(0, 2**31))
def test_what_is_outside_a_slice_has_no_say_and_what_is_not_reached_does_not_move(program: Program, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(ROWS, WIDTH, generator=generator) for _ in program.inputs]
    interpreter = Interpreter(program)
    whole = interpreter.run(inputs)
    for place, tensor in enumerate(program.inputs):
        changed = list(inputs)
        changed[place] = inputs[place] + torch.randn(ROWS, WIDTH, generator=generator)
        other = interpreter.run(changed)
        reached = forward(program, [tensor.name])
        for name in program.outputs:
            if not torch.equal(other[name], whole[name]):
                assert name in reached
                assert tensor.name in backward(program, [name]).inputs


def test_a_slice_names_the_inputs_and_weights_that_it_takes_and_leaves_the_rest_out() -> None:
    nodes = (
        Node(0, "a", "aten.relu.default", (Ref("x"),), {}, ("a",)),
        Node(1, "b", "aten.mul.Tensor", (Ref("y"), Ref("w")), {}, ("b",)),
        Node(2, "c", "aten.add.Tensor", (Ref("a"), 1.0), {"alpha": 2}, ("c",)),
    )
    inputs = (InputTensor("x", "float32", (None,)), InputTensor("y", "float32", (None,)))
    program = Program(nodes, inputs, ("b", "c"), {"w": torch.ones(1)}, {})
    found = backward(program, ["c"])
    assert found == Slice((0, 2), frozenset({"x"}), frozenset())
    assert backward(program, ["b"]).weights == {"w"}
    assert backward(program, ["x"]).nodes == ()
    assert forward(program, ["y"]) == {"y", "b"}
    assert reads(nodes[1]) == ["y", "w"]


def test_a_write_through_a_view_belongs_to_the_slice_of_what_is_read_later() -> None:
    nodes = (
        Node(0, "base", "aten.clone.default", (Ref("x"),), {}, ("base",)),
        Node(1, "view", "aten.select.int", (Ref("base"), 1, 0), {}, ("view",)),
        Node(2, "written", "aten.zero_.default", (Ref("view"),), {}, ("written",)),
        Node(3, "out", "aten.neg.default", (Ref("base"),), {}, ("out",)),
    )
    program = Program(nodes, (InputTensor("x", "float32", (None, 2)),), ("out",), {}, {})
    assert backward(program, ["out"]).nodes == (0, 1, 2, 3)
    inputs = [torch.ones(2, 2)]
    alone = Interpreter(program).run(inputs, nodes=backward(program, ["out"]).nodes, keep=["out"])["out"]
    assert alone.tolist() == [[0.0, -1.0], [0.0, -1.0]]
