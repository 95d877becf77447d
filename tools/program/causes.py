"""What a trace upstream answers with: the features, rows and values, or the weight, that made bad values."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cause:
    """A feature whose values, in some rows, are a cause.

    `feature` is None where no column says what it is: then `input` and `columns` are its place. `values` has a tuple
    for each of `rows`: the value of each column as it went in, or the ids of a bag or sequence (at most 16). `baseline`
    is what it was replaced with, one for each column. `sufficient`: replacing it, together with the row's other
    sufficient causes, heals the row. `necessary`: replacing it alone heals the row. For `x / (a - b)` with a = b, one
    of a and b is sufficient and both are necessary; of two NaN features that each spoil the row both are sufficient
    and neither is necessary.
    """

    feature: str | None
    input: str
    columns: tuple[int, ...]
    kind: Literal["dense", "categorical", "bag", "sequence"]
    rows: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]
    baseline: tuple[float, ...]
    sufficient: bool
    necessary: bool


@dataclass(frozen=True)
class WeightCause:
    """A weight that is a cause: `name` is its name in the model, `value` its name in the program.

    `elements` is how many of its elements are bad: 0 where they are all unremarkable and it is named because the
    operator that reads it stays bad whatever goes in. `places` are the first bad places along the first dimension (a
    table's rows, a layer's units), at most 16. `rows` are the batch's rows that it spoils.
    """

    name: str
    value: str
    elements: int
    places: tuple[int, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """Where bad values come from.

    `origin`: `input` (values that are bad as they go in), `operator` (good values that an operator makes bad of),
    `weight` (rows that stay bad whatever goes in, or a bad row of a table), `batch` (rows that are bad only in each
    other's company); None where nothing bad reaches an output, or where it could not be settled. `node` is the index
    of the first bad node: the operator itself, or the first one that reads the bad input or weight. `mixes` is the
    index of the operator through which rows spoil others, and `company` are the rows that are bad only because of
    other rows.

    `rows_bad` are all rows that are bad at the target, `rows_examined` those looked at one by one, in no meaningful
    order but the same for any order of the rows, and `rows_explained` those that the causes account for. `forwards` is
    the cost, in rows × nodes run, in units of one plain run of the whole batch. `absorbed` are the nodes whose bad
    values reach no output; `unsettled` says what is not known and why.
    """

    problem: Literal["non_finite", "extreme"]
    origin: Literal["input", "weight", "operator", "batch"] | None = None
    node: int | None = None
    causes: tuple[Cause, ...] = ()
    weights: tuple[WeightCause, ...] = ()
    mixes: int | None = None
    company: tuple[int, ...] = ()
    rows_bad: tuple[int, ...] = ()
    rows_examined: tuple[int, ...] = ()
    rows_explained: tuple[int, ...] = ()
    forwards: float = 0.0
    absorbed: tuple[int, ...] = ()
    unsettled: tuple[str, ...] = ()

    @property
    def sufficient(self) -> tuple[Cause, ...]:
        """The fix that heals: replace these."""
        return tuple(cause for cause in self.causes if cause.sufficient)

    @property
    def necessary(self) -> tuple[Cause, ...]:
        """The values that the fault needs: replacing any one of them heals its rows."""
        return tuple(cause for cause in self.causes if cause.necessary)
