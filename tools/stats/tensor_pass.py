"""The sums of one pass over a tensor and an earlier version of it."""

import math
from typing import TYPE_CHECKING

import numpy as np

from tools.stats.row_sizes import RowSizes
from tools.stats.spectral import concentration
from tools.stats.tensor_change import TensorChange

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 1 << 17
"""Elements at a time: both chunks and their difference stay in a core's cache, so memory is read once."""
SPECTRAL_CHUNKS, ROUNDED_CHUNKS = 2, 16
MOST_COLUMNS, TALLEST = 4096, 16
"""Columns are told apart in a matrix that has at most so many, and at most so many rows per column: more rows make a
table, whose columns are no inputs."""
ROUNDED_SAMPLE = 4096  # elements of a chunk that are looked at for rounding
HALF_TAIL_BITS = 0x1FFF
"""The bits of a float32 that are zero in every value that float16 or bfloat16 can hold (normal numbers)."""


ADDED = (
    "_update2",
    "_norm2_before",
    "_norm2",
    "_changed",
    "_zeros",
    "_non_finite",
    "_non_finite_before",
    "_rows_moved",
    "_rows_died",
)


def row_width(shape: tuple[int, ...]) -> int:
    """The elements of a row; 1 where there are no rows, or where one is larger than a chunk."""
    width = math.prod(shape[1:]) if len(shape) > 1 else 1
    return width if 0 < width <= CHUNK else 1


class Pass:
    """The sums of one pass, or of a part of it that starts at a row. Parts are merged in their order."""

    def __init__(self, before: np.ndarray, after: np.ndarray, first_row: int = 0) -> None:
        shape, self._width = before.shape, row_width(before.shape)
        self._elements = int(before.size)
        self._rows = shape[0] if before.ndim > 1 and self._width == math.prod(shape[1:]) else 0
        self._singles = (before.dtype == np.float32, after.dtype == np.float32)
        self._retyped = before.dtype != after.dtype
        matrix = before.ndim == 2 and self._rows and self._width <= min(MOST_COLUMNS, self._elements)
        self._columns = np.zeros(self._width) if matrix and self._rows <= TALLEST * self._width else None
        chunks = math.ceil(self._elements / self._width / max(1, CHUNK // self._width))
        self._spectral, self._looked_at = _spaced(chunks, SPECTRAL_CHUNKS), _spaced(chunks, ROUNDED_CHUNKS)
        self._sample: list[Tensor] = []
        self._buffer: Tensor | None = None
        self._sizes = RowSizes()
        self._update2 = self._norm2_before = self._norm2 = 0.0
        self._largest = self._largest_before = self._row_largest_size = 0.0
        self._changed = self._zeros = self._non_finite = self._non_finite_before = 0
        self._row_largest = self._rows_moved = self._rows_died = 0
        self._rows_seen = first_row
        self._rounded, self._rounded_before = _Rounded(), _Rounded()

    def merge(self, later: "Pass") -> None:
        """Add the part that comes next."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self._largest = max(self._largest, later._largest)
        self._largest_before = max(self._largest_before, later._largest_before)
        if later._row_largest_size > self._row_largest_size:
            self._row_largest_size, self._row_largest = later._row_largest_size, later._row_largest
        if self._columns is not None and later._columns is not None:
            self._columns += later._columns
        self._sample += later._sample
        self._sizes.merge(later._sizes)
        self._rounded.merge(later._rounded)
        self._rounded_before.merge(later._rounded_before)

    def add(self, number: int, old: "Tensor", new: "Tensor") -> None:
        """A chunk of both, flat, in float32 or float64; `number` is its place among all chunks of the tensor."""
        import torch

        for single, rounded, values in zip(
            self._singles, (self._rounded_before, self._rounded), (old, new), strict=True
        ):
            if single and values.dtype == torch.float32 and number in self._looked_at:
                rounded.add(values[:ROUNDED_SAMPLE])
        norm2_before, norm2 = float(torch.dot(old, old)), float(torch.dot(new, new))
        left_out = 0
        if not math.isfinite(norm2_before + norm2):
            old, new, left_out = self._cleaned(old, new)
            norm2_before, norm2 = float(torch.dot(old, old)), float(torch.dot(new, new))
        self._norm2_before += norm2_before
        self._norm2 += norm2
        self._largest_before = max(self._largest_before, _largest(old))
        self._largest = max(self._largest, _largest(new))
        update = self._difference(old, new)
        self._changed += int(torch.count_nonzero(update))
        zeros = len(new) - int(torch.count_nonzero(new))
        self._zeros += zeros - left_out
        if self._rows:
            self._add_rows(number, update.view(-1, self._width))
            if zeros >= self._width:
                died = (new.view(-1, self._width) == 0).all(dim=1) & (old.view(-1, self._width) != 0).any(dim=1)
                self._rows_died += int(died.sum())
        else:
            self._update2 += float(torch.dot(update, update))

    def _add_rows(self, number: int, update: "Tensor") -> None:
        import torch

        sizes = torch.linalg.vector_norm(update, dim=1)
        self._update2 += float(sizes.double().square().sum())
        self._sizes.add(sizes.float())
        self._rows_moved += int(torch.count_nonzero(sizes))
        if float(sizes.max()) > self._row_largest_size:
            self._row_largest_size = float(sizes.max())
            self._row_largest = self._rows_seen + int(sizes.argmax())
        self._rows_seen += len(sizes)
        if self._columns is not None:
            self._columns += update.square().sum(dim=0).double().numpy()
        if number in self._spectral and self._width > 1:
            self._sample.append(update.clone())

    def _difference(self, old: "Tensor", new: "Tensor") -> "Tensor":
        """new - old, in a buffer that is used again: fresh pages for each chunk cost more than the subtraction."""
        import torch

        if self._buffer is None or self._buffer.dtype != new.dtype:
            self._buffer = torch.empty(max(len(new), min(self._elements, CHUNK)), dtype=new.dtype)
        return torch.sub(new, old, out=self._buffer[: len(new)])

    def _cleaned(self, old: "Tensor", new: "Tensor") -> tuple["Tensor", "Tensor", int]:
        """Zero in both wherever one is not finite, in float64; and how many such places there are."""
        import torch

        good_before, good = torch.isfinite(old), torch.isfinite(new)
        self._non_finite_before += int((~good_before).sum())
        self._non_finite += int((~good).sum())
        both = good_before & good
        self._changed += int((~both & (old != new) & ~(torch.isnan(old) & torch.isnan(new))).sum())
        none = torch.zeros((), dtype=torch.float64)
        cleaned = (torch.where(both, values.double(), none) for values in (old, new))
        return next(cleaned), next(cleaned), int((~both).sum())

    def done(self) -> "Pass":
        """No chunk comes any more, and what was only needed for them goes."""
        self._buffer = None
        return self

    def result(self, mark_before: str, mark_after: str) -> TensorChange:
        import torch

        return TensorChange(
            elements=self._elements,
            update=math.sqrt(self._update2),
            norm_before=math.sqrt(self._norm2_before),
            norm=math.sqrt(self._norm2),
            dot=(self._norm2_before + self._norm2 - self._update2) / 2,
            changed=self._changed,
            zeros=self._zeros,
            non_finite=self._non_finite,
            non_finite_before=self._non_finite_before,
            largest=self._largest,
            largest_before=self._largest_before,
            rounded=self._rounded.share,
            rounded_before=self._rounded_before.share,
            retyped=self._retyped,
            rows=self._rows,
            row_median=self._sizes.quantile(0.5),
            row_p99=self._sizes.quantile(0.99),
            row_largest=self._row_largest,
            rows_moved=self._rows_moved,
            rows_died=self._rows_died,
            concentration=concentration(torch.cat(self._sample)) if self._sample else math.nan,
            columns=tuple(np.sqrt(self._columns).tolist()) if self._columns is not None else (),
            mark=mark_after,
            mark_before=mark_before,
        )


def _spaced(chunks: int, count: int) -> set[int]:
    """The numbers of up to `count` evenly spaced chunks."""
    return {place * chunks // count for place in range(count)}


def _largest(values: "Tensor") -> float:
    low, high = values.aminmax()
    return max(-float(low), float(high))


class _Rounded:
    """Counts the non-zero values, and those of them that fit in 16 bits."""

    def __init__(self) -> None:
        self._seen = self._fit = 0

    def add(self, values: "Tensor") -> None:
        import torch

        bits = values.view(torch.int32)[values != 0]
        self._seen += len(bits)
        self._fit += int(((bits & HALF_TAIL_BITS) == 0).sum())

    def merge(self, other: "_Rounded") -> None:
        self._seen += other._seen
        self._fit += other._fit

    @property
    def share(self) -> float:
        return self._fit / self._seen if self._seen else math.nan
