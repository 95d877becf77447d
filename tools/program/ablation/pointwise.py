"""Operators that work element by element: places stay where they are, and only their values are computed."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tools.program.ablation.reference import Reference, called
from tools.program.ablation.states import Ints, Places, State, gathered, on_device
from tools.program.graph import Ref
from tools.program.steps import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_NAMES = """
    abs.default add.Scalar add.Tensor sub.Scalar sub.Tensor rsub.Scalar rsub.Tensor mul.Scalar mul.Tensor div.Scalar
    div.Tensor div.Tensor_mode div.Scalar_mode neg.default relu.default relu6.default sigmoid.default tanh.default
    log.default log1p.default log2.default log10.default exp.default expm1.default exp2.default sqrt.default
    rsqrt.default square.default reciprocal.default sign.default sgn.default sin.default cos.default tan.default
    atan.default asinh.default erf.default floor.default ceil.default round.default trunc.default frac.default
    clamp.default clamp.Tensor clamp_min.default clamp_min.Tensor clamp_max.default clamp_max.Tensor
    pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar maximum.default minimum.default fmod.Scalar fmod.Tensor
    remainder.Scalar remainder.Tensor where.self where.ScalarSelf where.ScalarOther where.Scalar lerp.Scalar
    lerp.Tensor addcmul.default addcdiv.default copysign.Tensor copysign.Scalar nan_to_num.default isnan.default
    isinf.default isfinite.default eq.Scalar eq.Tensor ne.Scalar ne.Tensor lt.Scalar lt.Tensor le.Scalar le.Tensor
    gt.Scalar gt.Tensor ge.Scalar ge.Tensor logical_not.default logical_and.default logical_or.default
    logical_xor.default bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor bitwise_not.default
    masked_fill.Scalar masked_fill.Tensor gelu.default silu.default mish.default elu.default selu.default
    leaky_relu.default softplus.default hardtanh.default hardsigmoid.default hardswish.default logsigmoid.default
    log_sigmoid.default softsign.default threshold.default softshrink.default hardshrink.default logit.default
    to.dtype to.device to.other to.dtype_layout _to_copy.default type_as.default floor_divide.default
    multiply.Tensor multiply.Scalar divide.Tensor divide.Scalar subtract.Tensor subtract.Scalar
    true_divide.Tensor true_divide.Scalar negative.default absolute.default detach.default
"""
POINTWISE = frozenset(f"aten.{name}" for name in _NAMES.split())
NORM = "aten.batch_norm.default"


def pointwise(reference: Reference, step: Step, touched: "Mapping[int, State]") -> Places | None:
    """The step's result at the places of what it reads; None where these differ, or the result has another shape."""
    changed = {place: state for place, state in touched.items() if isinstance(state, Places)}
    if step.output is None or len(changed) < len(touched):
        return None
    first, *others = changed.values()
    for state in others:
        if not np.array_equal(state.variants, first.variants) or not np.array_equal(state.index, first.index):
            return None
    plain = reference.frame[step.output]
    if any(reference.frame[place].shape != plain.shape for place in touched):
        return None
    if reference.grows[step.output] is not True:
        return None
    frame = reference.layout.initial.copy()
    for place in step.reads:
        value = reference.frame[place]
        if place in changed:
            frame[place] = changed[place].values
        else:
            frame[place] = beside(reference, place, value, plain, first.index)
            if frame[place] is None and value is not None:
                return None
    return Places(first.variants, first.index, called(step, frame))


def beside(reference: Reference, place: int, value: Any, plain: "Tensor", index: Ints) -> Any:
    """What stands beside the places in another operand, which is stretched to the shape of the result."""
    import torch

    if not isinstance(value, torch.Tensor) or value.dim() == 0:
        return value
    if reference.grows[place] is True:
        same = value.dim() == plain.dim() and len(value) == len(plain)
        return gathered(value.expand(plain.shape), index) if same else None
    if reference.grows[place] is not False or (value.dim() == plain.dim() and len(value) > 1):
        return None
    row = value.expand(1, *plain.shape[1:]).reshape(-1)
    return row[on_device(index, value)][:, None, :]


def batch_norm(reference: Reference, step: Step, touched: "Mapping[int, State]") -> Places | None:
    """A batch norm that does not look at the batch: element by element, with what belongs to each column."""
    arguments = [*step.node.arguments]
    states = list(touched.items())
    if len(states) != 1 or len(arguments) < 6 or arguments[5] is not False:
        return None
    ((place, state),) = states
    value = reference.frame[place]
    rest = [reference.frame[reference.layout.places[a.name]] if isinstance(a, Ref) else None for a in arguments[1:5]]
    if not isinstance(state, Places) or value.dim() != 2 or not isinstance(arguments[0], Ref):
        return None
    if reference.layout.places[arguments[0].name] != place:
        return None
    variants, rows, count = state.values.shape
    index = on_device(state.index.reshape(-1), value)
    columns = [None if part is None else part[index] for part in rest]
    side_by_side = state.values.permute(1, 0, 2).reshape(rows, variants * count)
    result = step.call(side_by_side, *columns, *arguments[5:])
    return Places(state.variants, state.index, result.reshape(rows, variants, count).permute(1, 0, 2).contiguous())
