"""What stands in each input of a program, taken from samples by the names of their features."""

import math
from collections.abc import Sequence

import numpy as np

from tools.ports import PortError
from tools.program.batch import bags_of
from tools.program.graph import Column, InputTensor, Program, Ref
from tools.records import Samples

NO_ID = -(2**30)
"""Stands for an id that is no whole number."""


class UnfitRows(PortError):
    """These samples cannot be given to this program; the message says why and what to do."""


class Filler:
    """Fills one input after the other from samples, and remembers what it had to make up."""

    def __init__(self, program: Program, samples: Samples) -> None:
        self.used: set[str] = set()
        self._program, self._samples = program, samples
        self._absent: list[str] = []
        self._nulls: dict[str, int] = {}
        self._cut: list[str] = []
        self._filled_up: list[str] = []
        self._unweighted: list[str] = []
        self._broken: dict[str, int] = {}

    def fill(self, tensor: InputTensor) -> np.ndarray:
        """float64, rows first (of a bag: all ids, their weights, or where each row's begin). Raises `UnfitRows`.

        An input without columns, as a model has that takes categories but was built with none, stays empty.
        """
        columns = [column for column in self._program.columns if column.input == tensor.name]
        bag = next((column for column in self._program.columns if tensor.name == column.offsets), None)
        if bag is not None:
            lengths = (~np.isnan(self._ids(bag))).sum(axis=1)
            starts = np.concatenate([[0], np.cumsum(lengths)])
            return starts if _with_end(self._program, tensor.name) else starts[:-1]
        if (ids_name := self._weighs(tensor)) is not None:
            return self._weights(columns[0].feature if columns else tensor.name, ids_name)
        if columns and columns[0].kind == "bag":
            ids = self._ids(columns[0])
            return self._whole(tensor, columns[0].feature, ids[~np.isnan(ids)])
        if not tensor.sizes:
            return self._alone(tensor, columns)
        if 0 in tensor.sizes[1:]:
            return np.empty((len(self._samples), *(size or 0 for size in tensor.sizes[1:])))
        if columns and columns[0].kind == "sequence":
            return self._whole(tensor, columns[0].feature, self._sequence(tensor, columns[0], tensor.sizes[1:]))
        if columns and len(tensor.sizes) > 2:
            return self._by_position(tensor, columns)
        matrix = self._by_column(tensor, columns) if columns else self._by_name(tensor)
        return matrix[:, 0] if len(tensor.sizes) == 1 else matrix

    def caveats(self) -> tuple[str, ...]:
        """What was made up, in words."""
        said = []
        if self._absent:
            said.append(
                f"{listed(self._absent)}: not in the samples as numbers, so the baseline value stood in every row"
            )
        if self._nulls:
            filled = listed([f"{name} ({rows} rows)" for name, rows in self._nulls.items()])
            said.append(f"missing ids were filled with the baseline id: {filled}")
        if self._broken:
            named = listed([f"{name} ({count})" for name, count in self._broken.items()])
            said.append(f"values that are no whole numbers stand where ids should: {named}")
        if self._cut:
            said.append(f"{listed(self._cut)}: only the first positions of longer sequences fit into the snapshot")
        if self._unweighted:
            said.append(f"{listed(self._unweighted)}: not in the samples, so every id of the bag has the weight 1")
        if self._filled_up:
            said.append(f"{listed(self._filled_up)}: what is behind the end of a shorter sequence is filled")
        return tuple(said)

    def _by_column(self, tensor: InputTensor, columns: list[Column]) -> np.ndarray:
        width = 1 if len(tensor.sizes) == 1 else tensor.sizes[-1] or len(columns)
        self._refuse_undescribed(tensor, columns, width)
        matrix = np.empty((len(self._samples), width))
        taken: dict[str, int] = {}
        for column in sorted(columns, key=lambda column: column.column):
            values = self._values(tensor, column, taken.get(column.feature, 0))
            matrix[:, column.column] = self._whole(tensor, column.feature, values)
            taken[column.feature] = taken.get(column.feature, 0) + 1
        return matrix

    @staticmethod
    def _alone(tensor: InputTensor, columns: list[Column]) -> np.ndarray:
        """A number that is the same for all rows: no sample has one, so it is the baseline."""
        if not columns:
            raise UnfitRows(
                f"the input {tensor.name!r} is one number for all rows; say which in features.json, as its baseline"
            )
        return np.asarray(columns[0].baseline)

    def _by_position(self, tensor: InputTensor, columns: list[Column]) -> np.ndarray:
        """[rows, …, columns]: each feature has a list of numbers of its own, one for each position."""
        self._refuse_undescribed(tensor, columns, tensor.sizes[-1] or len(columns))
        ordered = sorted(columns, key=lambda column: column.column)
        parts = [self._sequence(tensor, column, tensor.sizes[1:-1]) for column in ordered]
        if len({part.shape for part in parts}) > 1:
            raise UnfitRows(
                f"the features of the input {tensor.name!r} have lists of different lengths; give each one number for "
                "each position"
            )
        whole = [self._whole(tensor, column.feature, part) for column, part in zip(ordered, parts, strict=True)]
        return np.stack(whole, axis=-1)

    @staticmethod
    def _refuse_undescribed(tensor: InputTensor, columns: list[Column], width: int) -> None:
        if {column.column for column in columns} != set(range(width)):
            raise UnfitRows(
                f"features.json does not say what stands in each column of the input {tensor.name!r}; "
                "describe every column and publish the snapshot again"
            )

    def _values(self, tensor: InputTensor, column: Column, place: int) -> np.ndarray:
        """One column, float64[rows]. A feature of several columns has its values side by side: `place` says which."""
        values = self._feature(column.feature)
        if values is None or place >= values.shape[1]:
            self._absent.append(column.feature)
            return np.full(len(self._samples), column.baseline)
        null = np.isnan(values[:, place])
        if column.missing is None and _takes_fractions(tensor):
            return values[:, place]
        if column.missing is None and null.any():
            self._nulls[column.feature] = int(null.sum())
        return np.where(null, column.baseline if column.missing is None else column.missing, values[:, place])

    def _whole(self, tensor: InputTensor, feature: str, values: np.ndarray) -> np.ndarray:
        """What is no whole number becomes an id that no table has, so that it is found as such."""
        if _takes_fractions(tensor):
            return values
        broken = ~((values == np.round(values)) & (np.abs(values) < -NO_ID))
        if broken.any():
            self._broken[feature] = int(broken.sum())
        return np.where(broken, NO_ID, values)

    def _sequence(self, tensor: InputTensor, column: Column, sizes: Sequence[int | None]) -> np.ndarray:
        """[rows, *sizes]; places behind the end of a row's list are filled as missing values are.

        A number that is missing before the end stays missing where nothing says what serving gives for it.
        """
        values = self._feature(column.feature)
        if values is None:
            self._absent.append(column.feature)
            values = np.full((len(self._samples), 1), column.baseline)
            values = values.repeat(_places(tensor, sizes, 1), axis=1)
        positions = _places(tensor, sizes, values.shape[1])
        if not np.isnan(values[:, positions:]).all():
            self._cut.append(column.feature)
        kept = np.full((len(values), positions), np.nan)
        kept[:, : values.shape[1]] = values[:, :positions]
        padding = column.baseline if column.missing is None else column.missing
        null = np.isnan(kept)
        if _takes_fractions(tensor):
            behind = np.logical_and.accumulate(null[:, ::-1], axis=1)[:, ::-1]
            if behind.any() and column.feature not in self._filled_up:
                self._filled_up.append(column.feature)
            null = behind if column.missing is None else null
        return np.where(null, padding, kept).reshape(len(values), *_sizes(sizes, positions))

    def _weighs(self, tensor: InputTensor) -> str | None:
        """The input with the ids of a bag, where this one has their weights."""
        inputs = self._program.inputs
        for bag in bags_of(self._program):
            if bag.weights is not None and inputs[bag.weights] == tensor:
                return inputs[bag.ids].name
        return None

    def _weights(self, feature: str, ids_name: str) -> np.ndarray:
        """A weight for each id of a bag, in the order of the ids; 1 where the samples have none."""
        bag = next((column for column in self._program.columns if column.input == ids_name), None)
        if bag is None:
            raise UnfitRows(f"features.json does not describe the bag {ids_name!r}; describe it and publish again")
        there = ~np.isnan(self._ids(bag))
        values = self._feature(feature)
        if values is None:
            self._unweighted.append(feature)
            return np.ones(int(there.sum()))
        if values.shape != there.shape:
            raise UnfitRows(
                f"the weights {feature!r} have {values.shape[1]} numbers a row, and the bag {bag.feature!r} has "
                f"{there.shape[1]} ids: send a weight for each id"
            )
        weights: np.ndarray = values[there]
        return weights

    def _ids(self, column: Column) -> np.ndarray:
        """The ids of a bag, [rows, most ids of a row], NaN behind the end of each row's."""
        values = self._feature(column.feature)
        if values is None:
            if column.feature not in self._absent:
                self._absent.append(column.feature)
            return np.full((len(self._samples), 1), column.baseline)
        return values

    def _by_name(self, tensor: InputTensor) -> np.ndarray:
        """Where no column is described: a feature of the input's own name, or one for each place, `input.place`."""
        values = self._feature(tensor.name)
        if values is None:
            width = 1 if len(tensor.sizes) == 1 else tensor.sizes[-1]
            places = [self._feature(f"{tensor.name}.{place}") for place in range(width or 0)]
            found = [place[:, 0] for place in places if place is not None]
            values = np.stack(found, axis=1) if found and len(found) == len(places) else None
        wanted = tensor.sizes[1:] or (1,)
        if values is None or values.shape[1] != _places(tensor, wanted, values.shape[1]):
            raise UnfitRows(
                f"nothing says which features go into the input {tensor.name!r}; "
                "publish the snapshot with a features.json that describes its columns"
            )
        whole = self._whole(tensor, tensor.name, values)
        return whole.reshape(len(values), *_sizes(wanted, values.shape[1]))

    def _feature(self, name: str) -> np.ndarray | None:
        """float64[rows, k], or None where the samples do not have it, or not as numbers."""
        if name not in self._samples.features:
            return None
        values = as_numbers(self._samples.features[name])
        if values is None or not values.size or values.ndim > 2:
            return None
        self.used.add(name)
        return values.reshape(len(self._samples), -1)


def _with_end(program: Program, offsets: str) -> bool:
    """Whether the offsets have one entry more, where the last row ends (`include_last_offset`)."""
    bags = [node for node in program.nodes if "embedding_bag" in node.operator and Ref(offsets) in node.arguments]
    return any(len(node.arguments) > 7 and node.arguments[7] is True for node in bags)


def _places(tensor: InputTensor, sizes: Sequence[int | None], given: int) -> int:
    """How many numbers of a row fill these sizes, of which one may be open: then as many as are given."""
    known = math.prod(size for size in sizes if size is not None)
    if sum(size is None for size in sizes) > 1 or known == 0:
        raise UnfitRows(
            f"the sizes of the input {tensor.name!r} beside its rows are too open to be filled from a list of numbers; "
            "export the snapshot with at most one of them open"
        )
    return known if None not in sizes else max(given // known, 1) * known


def _sizes(sizes: Sequence[int | None], places: int) -> list[int]:
    known = math.prod(size for size in sizes if size is not None)
    return [places // known if size is None else size for size in sizes]


def _takes_fractions(tensor: InputTensor) -> bool:
    return tensor.dtype.startswith(("float", "bfloat"))


def as_numbers(values: np.ndarray) -> np.ndarray | None:
    """float64, or None for what is no number."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def listed(names: list[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
