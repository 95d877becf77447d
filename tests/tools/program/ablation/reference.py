"""captum's `FeatureAblation` as the reference: features as masks over all of the inputs, one perturbation at a time."""

from collections.abc import Mapping, Sequence

import torch
from captum.attr import FeatureAblation
from torch import Tensor, nn


def by_captum(
    module: nn.Module, inputs: Sequence[Tensor], baselines: Sequence[Tensor], masks: Sequence[Tensor]
) -> Mapping[int, Tensor]:
    """Mask id → f(x) - f(x without its places), float[rows]. A mask id may stand in several inputs."""
    with torch.no_grad():
        told = FeatureAblation(module).attribute(tuple(inputs), tuple(baselines), feature_mask=tuple(masks))
    found: dict[int, Tensor] = {}
    for part, mask in zip(told, masks, strict=True):
        for number in sorted(set(mask.flatten().tolist())):
            places = (mask == number).expand_as(part[:1])[0]
            found[int(number)] = part[:, places].reshape(len(part), -1)[:, 0]
    return found


def settled(module: nn.Module) -> nn.Module:
    """In evaluation, with statistics of its own."""
    with torch.no_grad():
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.add_(torch.rand(buffer.shape) * 0.3)
    return module.eval().requires_grad_(False)
