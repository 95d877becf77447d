"""How one tensor differs from an earlier version of itself."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK = 1 << 20
HALF_TAIL_BITS = 0x1FFF
"""The bits of a float32 that are zero in every value that float16 or bfloat16 can hold (normal numbers)."""


@dataclass(frozen=True)
class TensorChange:
    """Before and after, over the elements that are finite in both.

    `update` is ||after - before||, `norm_before` and `norm` are Euclidean norms, `dot` the inner product; `changed` is
    the number of elements with another value, `non_finite` and `non_finite_before` how many are NaN or infinite,
    `largest` the largest absolute value; `rounded` and `rounded_before` are the shares of the non-zero elements that a
    16-bit float could hold (NaN where there are none). `retyped` says that the number type is another one.
    """

    elements: int
    update: float
    norm_before: float
    norm: float
    dot: float
    changed: int
    non_finite: int
    non_finite_before: int
    largest: float
    rounded: float
    rounded_before: float
    retyped: bool

    @property
    def relative_update(self) -> float:
        """||Δ|| / ||w||: infinite from a zero tensor, NaN where nothing is finite."""
        if self.norm_before > 0:
            return self.update / self.norm_before
        return math.inf if self.update > 0 else math.nan

    @property
    def cosine(self) -> float:
        """The cosine between before and after; NaN where one of them is zero."""
        product = self.norm_before * self.norm
        return self.dot / product if product > 0 else math.nan

    @property
    def share_changed(self) -> float:
        return self.changed / self.elements if self.elements else math.nan


def compare(before: np.ndarray, after: np.ndarray) -> TensorChange:
    """Compare two arrays of one shape, any real number type, in chunks and in float64.

    Raises `ValueError` where the shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"the shapes differ: {before.shape} and {after.shape}")
    update2 = norm2_before = norm2 = dot = largest = 0.0
    changed = non_finite = non_finite_before = 0
    rounded, rounded_before = _Rounded(), _Rounded()
    with np.errstate(over="ignore", invalid="ignore"):
        for old, new in _chunks(before, after):
            rounded_before.add(old)
            rounded.add(new)
            a, b = old.astype(np.float64), new.astype(np.float64)
            finite_before, finite = np.isfinite(a), np.isfinite(b)
            non_finite_before += int((~finite_before).sum())
            non_finite += int((~finite).sum())
            both = finite_before & finite
            changed += int((old != new).sum()) - int((np.isnan(a) & np.isnan(b)).sum())
            a, b = a[both], b[both]
            update2 += float(np.square(b - a).sum())
            norm2_before += float(np.square(a).sum())
            norm2 += float(np.square(b).sum())
            dot += float((a * b).sum())
            largest = max(largest, float(np.abs(b).max(initial=0.0)))
    return TensorChange(
        elements=int(before.size),
        update=math.sqrt(update2),
        norm_before=math.sqrt(norm2_before),
        norm=math.sqrt(norm2),
        dot=dot,
        changed=changed,
        non_finite=non_finite,
        non_finite_before=non_finite_before,
        largest=largest,
        rounded=rounded.share,
        rounded_before=rounded_before.share,
        retyped=before.dtype != after.dtype,
    )


class _Rounded:
    """Counts the non-zero values, and those of them that fit in 16 bits."""

    def __init__(self) -> None:
        self._seen = self._fit = 0

    def add(self, values: np.ndarray) -> None:
        if values.dtype != np.float32:
            return
        bits = values.view(np.uint32)[values != 0]
        self._seen += bits.size
        self._fit += int(((bits & HALF_TAIL_BITS) == 0).sum())

    @property
    def share(self) -> float:
        return self._fit / self._seen if self._seen else math.nan


def _chunks(before: np.ndarray, after: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both in the same order of elements, a bounded number at a time. Only a tensor with odd strides is copied."""
    old, new = np.ascontiguousarray(before).reshape(-1), np.ascontiguousarray(after).reshape(-1)
    for start in range(0, old.size, CHUNK):
        yield old[start : start + CHUNK], new[start : start + CHUNK]
