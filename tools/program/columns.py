"""What stands in each input of a program, taken from samples by the names of their features."""

import numpy as np

from tools.ports import PortError
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
        self._broken: dict[str, int] = {}

    def fill(self, tensor: InputTensor) -> np.ndarray:
        """float64, rows first (of a bag: all ids, or where those of each row begin). Raises `UnfitRows`."""
        columns = [column for column in self._program.columns if column.input == tensor.name]
        bag = next((column for column in self._program.columns if tensor.name == column.offsets), None)
        if bag is not None:
            lengths = (~np.isnan(self._ids(bag))).sum(axis=1)
            starts = np.concatenate([[0], np.cumsum(lengths)])
            return starts if _with_end(self._program, tensor.name) else starts[:-1]
        if columns and columns[0].kind == "bag":
            ids = self._ids(columns[0])
            return self._whole(tensor, columns[0].feature, ids[~np.isnan(ids)])
        if columns and columns[0].kind == "sequence":
            return self._whole(tensor, columns[0].feature, self._sequence(tensor, columns[0]))
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
        return tuple(said)

    def _by_column(self, tensor: InputTensor, columns: list[Column]) -> np.ndarray:
        width = 1 if len(tensor.sizes) == 1 else tensor.sizes[-1]
        if len(tensor.sizes) > 2 or width is None or {column.column for column in columns} != set(range(width)):
            raise UnfitRows(
                f"features.json does not say what stands in each column of the input {tensor.name!r}; "
                "describe every column and publish the snapshot again"
            )
        matrix = np.empty((len(self._samples), width))
        taken: dict[str, int] = {}
        for column in sorted(columns, key=lambda column: column.column):
            values = self._values(tensor, column, taken.get(column.feature, 0))
            matrix[:, column.column] = self._whole(tensor, column.feature, values)
            taken[column.feature] = taken.get(column.feature, 0) + 1
        return matrix

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

    def _sequence(self, tensor: InputTensor, column: Column) -> np.ndarray:
        """[rows, positions]; positions behind the end of a row's sequence are filled as missing values are."""
        values = self._feature(column.feature)
        if values is None:
            self._absent.append(column.feature)
            values = np.full((len(self._samples), 1), column.baseline)
        positions = tensor.sizes[1] if len(tensor.sizes) > 1 and tensor.sizes[1] is not None else values.shape[1]
        if not np.isnan(values[:, positions:]).all():
            self._cut.append(column.feature)
        padding = column.baseline if column.missing is None else column.missing
        padded = np.full((len(values), positions), padding)
        kept = values[:, :positions]
        padded[:, : kept.shape[1]] = np.where(np.isnan(kept), padding, kept)
        return padded

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
        wanted = tensor.sizes[1:] if len(tensor.sizes) > 1 else (1,)
        if values is None or len(wanted) != 1 or wanted[0] not in (None, values.shape[1]):
            raise UnfitRows(
                f"nothing says which features go into the input {tensor.name!r}; "
                "publish the snapshot with a features.json that describes its columns"
            )
        return self._whole(tensor, tensor.name, values)

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
