"""The values that nodes give: their names, and which of them hold nothing new."""

from tools.program.graph import Node

_VIEWS = """
    select.int slice.Tensor view.default view.dtype reshape.default transpose.int permute.default squeeze.default
    squeeze.dim squeeze.dims unsqueeze.default expand.default expand_as.default t.default detach.default
    detach_.default alias.default flatten.using_ints unflatten.int split.Tensor split.sizes
    split_with_sizes.default chunk.default unbind.int narrow.default view_as.default reshape_as.default
    numpy_T.default mT.default movedim.int movedim.intlist moveaxis.int swapaxes.default swapdims.default
    tensor_split.sections tensor_split.indices diagonal.default unfold.default _unsafe_view.default
    lift_fresh_copy.default as_strided.default ravel.default
"""
VIEWS = frozenset(f"aten.{name}" for name in _VIEWS.split())
"""Operators that give other shapes and strides to values that are there already."""


def is_view(node: Node) -> bool:
    """Whether a node gives nothing new: another look at a value's memory, or a dropout that drops nothing."""
    if node.operator == "aten.dropout.default":
        return len(node.arguments) == 3 and node.arguments[2] is False
    return node.operator in VIEWS


def output_names(node: Node) -> tuple[str | None, ...]:
    """The names of the values that a node gives; those of a list where its only output is one."""
    if len(node.outputs) == 1 and isinstance(node.outputs[0], tuple):
        return node.outputs[0]
    return tuple(output for output in node.outputs if not isinstance(output, tuple))
