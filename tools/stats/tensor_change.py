"""How one tensor differs from an earlier version of itself: the figures."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TensorChange:
    """Before and after, over the elements that are finite in both; only `changed` counts the others too.

    `update` is ||after - before||, `norm_before` and `norm` are Euclidean norms, `dot` the inner product; `changed` is
    the number of elements with another value and `zeros` of those that are zero now; `non_finite` and
    `non_finite_before` say how many are NaN or infinite; `largest` and `largest_before` are the largest absolute
    values. `rounded` and `rounded_before` are the shares of the non-zero elements of a sample that a 16-bit float could
    hold (NaN where there are none). `retyped` says that the number type is another one.

    A row is an embedding row or an output unit: all that stands at one place of the first axis of a tensor with
    several. `rows` of them: `row_median` and `row_p99` are quantiles of their updates' norms, `row_largest` is the
    place of the largest one, `rows_moved` how many changed, `rows_died` how many became all zero.
    `concentration` is the spectral norm of the update over its Frobenius norm, of two chunks of rows where there are
    more. `columns` holds the update's norm of each column of a matrix, in order. `mark` and `mark_before` are the
    same for equal tensors, and as good as never for others.
    """

    elements: int
    update: float
    norm_before: float
    norm: float
    dot: float
    changed: int
    zeros: int
    non_finite: int
    non_finite_before: int
    largest: float
    largest_before: float
    rounded: float
    rounded_before: float
    retyped: bool
    rows: int
    row_median: float
    row_p99: float
    row_largest: int
    rows_moved: int
    rows_died: int
    concentration: float
    columns: tuple[float, ...]
    mark: str
    mark_before: str

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
        return max(-1.0, min(1.0, self.dot / product)) if 0 < product < math.inf else math.nan

    @property
    def share_changed(self) -> float:
        return self.changed / self.elements if self.elements else math.nan
