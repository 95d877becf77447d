"""Layers that torch can run as one fused kernel run as the operators they are made of, so that a walk sees inside."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.modules import transformer


@contextmanager
def unfused_attention() -> Iterator[None]:
    """Without gradients, nn.TransformerEncoderLayer and nn.MultiheadAttention would be one operator each.

    nn.TransformerEncoder also looks whether the numbers of its mask are those of a causal one, which no export can
    follow. It is told that they are not: the mask is then used as what it is, which gives the same.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    detect = transformer._detect_is_causal_mask
    torch.backends.mha.set_fastpath_enabled(False)
    transformer._detect_is_causal_mask = _as_said
    try:
        yield
    finally:
        transformer._detect_is_causal_mask = detect
        torch.backends.mha.set_fastpath_enabled(before)


def _as_said(mask: torch.Tensor | None, is_causal: bool | None = None, size: int | None = None) -> bool:  # noqa: ARG001
    return is_causal is True


@contextmanager
def unfused_recurrence() -> Iterator[None]:
    """On processors that oneDNN knows, nn.LSTM would be one operator."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)
