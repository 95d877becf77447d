"""What of a program's inputs can be a cause: features, each replaced as a whole by its baseline."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tools.program.batch import Batch
from tools.program.graph import Column

if TYPE_CHECKING:
    from torch import Tensor

MOST_IDS = 16
"""How many ids of a bag or a sequence are shown."""

Kind = Literal["dense", "categorical", "bag", "sequence"]


@dataclass(frozen=True)
class Unit:
    """A feature, with its columns of one input tensor; a feature in several inputs is replaced in all of them.

    Without a name where `features.json` does not say what it is.
    """

    feature: str | None
    input: int
    columns: tuple[int, ...]
    kind: Kind


class Units:
    """All units of a program, in the order of inputs and columns, and the baseline of each element.

    The baseline of a column that has none of its own is the median of the good rows (of an id, the commonest one; the
    smallest of several), element by element. An input that is the same for all rows has no units.
    """

    def __init__(self, batch: Batch, good: "Tensor") -> None:
        """`good` (rows): the rows that a baseline may be taken from; all rows where none is good."""
        import torch

        self._batch = batch
        self._columns: dict[int, dict[int, Column]] = {}
        places = {tensor.name: place for place, tensor in enumerate(batch.program.inputs)}
        for column in batch.program.columns:
            self._columns.setdefault(places[column.input], {})[column.column] = column
        self._from_good = bool(good.any())
        self._chosen = good if self._from_good else torch.ones_like(good)
        self.all: list[Unit] = []
        self._named: dict[str, int] = {}
        self._told: set[int] = set()  # inputs of which every column has a baseline of its own
        self._unit: dict[int, Tensor] = {}  # input → the unit of each column
        self._baseline: dict[int, Tensor] = {}  # input → the baseline of a row, in the row's shape
        bags = {bag.ids for bag in batch.bags}
        for place in sorted({*batch.by_row, *bags}):
            self._enter(place, "bag" if place in bags else None)

    def __len__(self) -> int:
        return len(self.all)

    def of_input(self, place: int) -> int | None:
        """The first unit of an input."""
        return int(self._unit[place][0]) if place in self._unit and len(self._unit[place]) else None

    def columns(self) -> "list[dict[int, list[int]]]":
        """For each unit the inputs that it stands in (by number), and its columns of each."""
        found: list[dict[int, list[int]]] = [{} for _ in self.all]
        for place, units in sorted(self._unit.items()):
            for column, unit in enumerate(units.tolist()):
                found[unit].setdefault(place, []).append(column)
        return found

    def width(self, place: int) -> int:
        """How many columns an input has."""
        return len(self._unit[place])

    def baseline_of(self, place: int) -> float:
        """The baseline of an input that is one unit."""
        return float(self._baseline[place].flatten()[0])

    def from_row(self, row: int) -> None:
        """Take every baseline from a row of the batch, where the usual ones do not make a good row."""
        for place in self._baseline:
            if place in self._batch.by_row:
                self._baseline[place] = self._batch.inputs[place][row]

    def replace(self, place: int, value: "Tensor", replaced: "Tensor") -> "Tensor":
        """An input's rows with the units that are True in `replaced` (rows × units) at their baseline."""
        import torch

        if place not in self._unit:
            return value
        mask = replaced[:, self._unit[place]]
        for _ in range(value.dim() - 2):
            mask = mask.unsqueeze(1)
        return torch.where(mask.reshape(-1) if value.dim() == 1 else mask, self._baseline[place], value)

    def have_baselines(self, inputs: "frozenset[str]") -> bool:
        """Whether the baselines of these inputs come from their columns or from good rows, and not from bad ones."""
        if self._from_good:
            return True
        names = [tensor.name for tensor in self._batch.program.inputs]
        places = [place for place in self._unit if names[place] in inputs]
        return all(place in self._told for place in places)

    def at_baseline(self, place: int, value: "Tensor") -> "Tensor":
        """An input's rows with all of their units at the baseline."""
        return self._baseline[place].expand_as(value)

    def total(self, place: int, numbers: "Tensor") -> "Tensor":
        """The sum of an input's numbers over the elements of each unit: rows × units, float32."""
        import torch

        answer = torch.zeros(len(numbers), len(self))
        if place not in self._unit:
            return answer
        by_column = numbers.reshape(len(numbers), -1, len(self._unit[place])).float().sum(1)
        return answer.index_add(1, self._unit[place], by_column)

    def inside(self, inputs: "frozenset[str]") -> "Tensor":
        """True for the units of these inputs (by name; the offsets and weights of a bag stand for its ids)."""
        import torch

        names = [tensor.name for tensor in self._batch.program.inputs]
        wanted = {place for place, name in enumerate(names) if name in inputs}
        for bag in self._batch.bags:
            if wanted & {bag.starts, bag.weights}:
                wanted.add(bag.ids)
        answer = torch.zeros(len(self), dtype=torch.bool)
        for place in wanted & self._unit.keys():
            answer[self._unit[place]] = True
        return answer

    def holding(self, place: int, elements: "Tensor") -> "Tensor":
        """The units (rows × units) of an input in which an element is True."""
        return self.total(place, elements) > 0

    def values(self, unit: Unit, row: int) -> tuple[float, ...]:
        """What the row holds there: a number for each column, or the first ids of a bag or sequence."""
        value = self._batch.inputs[unit.input]
        if unit.kind == "bag" and unit.input not in self._batch.by_row:
            bag = next(bag for bag in self._batch.bags if bag.ids == unit.input)
            starts, lengths = self._batch.lengths(bag)
            start = int(starts[row])
            held = value[start : start + min(int(lengths[row]), MOST_IDS)]
        elif value.dim() == 1:
            held = value[row]
        elif unit.kind in ("bag", "sequence"):
            held = value[row].flatten()[:MOST_IDS]
        else:
            held = value[row][..., list(unit.columns)].reshape(-1)[:MOST_IDS]
        return tuple(float(number) for number in held.reshape(-1))

    def baseline(self, unit: Unit) -> tuple[float, ...]:
        """What the unit is replaced by: a number for each of its columns."""
        value = self._baseline[unit.input]
        if unit.kind in ("bag", "sequence") or value.dim() == 0:
            return (float(value.reshape(-1)[0]),)
        return tuple(float(value.reshape(-1, value.shape[-1])[0, column]) for column in unit.columns)

    def _enter(self, place: int, kind: Kind | None) -> None:
        import torch

        value, columns = self._batch.inputs[place], self._columns.get(place, {})
        whole = kind == "bag" or any(column.kind in ("bag", "sequence") for column in columns.values())
        width = value.shape[-1] if value.dim() > 1 else 1
        usual: Kind = kind or ("categorical" if _whole_numbers(value) else "dense")
        units: dict[object, list[int]] = {}
        for number in range(width):
            column = columns.get(0 if whole else number)
            units.setdefault(column.feature if column else 0 if whole else number, []).append(number)
        unit_of = torch.zeros(width, dtype=torch.long)
        for numbers in units.values():
            named = columns.get(numbers[0])
            feature, kind_of = (named.feature, named.kind) if named else (None, usual)
            unit_of[numbers] = self._add(Unit(feature, place, (0,) if whole else tuple(numbers), kind_of))
        self._unit[place] = unit_of
        if columns and (whole or len(columns) == width):
            self._told.add(place)
        self._baseline[place] = self._baseline_row(place, columns, whole)

    def _add(self, unit: Unit) -> int:
        """The unit's number: that of the feature of the same name where another input has it too."""
        if unit.feature is not None and unit.feature in self._named:
            return self._named[unit.feature]
        self.all.append(unit)
        if unit.feature is not None:
            self._named[unit.feature] = len(self.all) - 1
        return len(self.all) - 1

    def _baseline_row(self, place: int, columns: dict[int, Column], whole: bool) -> "Tensor":
        import torch

        value = self._batch.inputs[place]
        shape = value.shape[1:] if place in self._batch.by_row else value.shape[:0]
        if whole and columns:
            return torch.full(shape, columns[0].baseline).to(value.dtype)
        if place in self._told:  # taking medians is slow
            row = torch.zeros(shape, dtype=value.dtype)
        else:
            row = _typical(value[self._chosen] if place in self._batch.by_row else value)
        numbers = torch.tensor([column.baseline for column in columns.values()], dtype=torch.float64).to(value.dtype)
        if columns and row.dim():
            row[..., list(columns)] = numbers
        return numbers[0] if columns and not row.dim() else row


def _whole_numbers(values: "Tensor") -> bool:
    return not (values.is_floating_point() or values.is_complex())


def _typical(values: "Tensor") -> "Tensor":
    """The median of numbers, the commonest of ids (the smallest of several), over the first dimension."""
    import torch

    if not len(values):
        return torch.zeros(values.shape[1:], dtype=values.dtype)
    if values.is_complex():
        return torch.complex(_typical(values.real), _typical(values.imag))
    if _whole_numbers(values):
        return torch.mode(values.int() if values.dtype == torch.bool else values, dim=0).values.to(values.dtype)
    numbers = values if values.element_size() > 2 else values.float()
    finite = torch.where(torch.isfinite(numbers), numbers, torch.nan)
    return torch.nanmedian(finite, dim=0).values.nan_to_num(0.0).to(values.dtype)
