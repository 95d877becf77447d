"""Layers that torch can run as one fused kernel run as the operators they are made of, so that a walk sees inside."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def unfused_attention() -> Iterator[None]:
    """Without gradients, nn.TransformerEncoderLayer and nn.MultiheadAttention would be one operator each."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def unfused_recurrence() -> Iterator[None]:
    """On processors that oneDNN knows, nn.LSTM would be one operator."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)
