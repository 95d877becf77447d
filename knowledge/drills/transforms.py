"""The transforms of the feature pipeline: each takes tables and returns a table, and knows nothing of jobs or runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.flights import Columns, rows_of
from knowledge.drills.history import HOUR_S, History

ORIGINS = ("EWR", "JFK", "LGA")
STATIONS = {"EWR": "KEWR", "JFK": "KJFK", "LGA": "KLGA"}
"""Airport → weather station, by the four-letter codes of ICAO."""

WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
LEADS_H = 4
"""A flight is offered on search pages from four hours before departure to one hour before: four hourly rows each."""

LATE_MIN = 15
_FILL_HOURS = 12  # a pressure gauge is out for up to eleven hours at a time
_NEVER = np.iinfo(np.int64).max // 4


def clean_flights(
    raw: Columns, origins: NDArray[np.str_], carriers: NDArray[np.str_], dests: NDArray[np.str_]
) -> Columns:
    """Flights with integer ids, the label `late`, and the times at which each outcome is known.

    Late means more than 15 minutes after schedule at the gate of arrival, cancelled or diverted. The label is known at
    landing (departure plus air time), or at the scheduled arrival where the flight never got there.
    """
    dep_delay, arr_delay, sched = raw["dep_delay"], raw["arr_delay"], raw["sched_dep"]
    departed_at = np.where(np.isfinite(dep_delay), sched + np.nan_to_num(dep_delay) * 60, _NEVER).astype(np.int64)
    landed_at = departed_at + (np.nan_to_num(raw["air_time"]) * 60).astype(np.int64)
    due_at = sched + ((30 + raw["distance"] / 7.5) * 60).astype(np.int64)  # 450 mph, and half an hour on the ground
    route = np.char.add(np.char.add(raw["origin"], raw["dest"]), raw["carrier"])
    number = np.char.add(raw["carrier"], raw["flight"].astype(np.str_))
    return {
        **{name: raw[name] for name in ("day", "sched_dep", "sched_hour", "distance", "dep_delay", "arr_delay")},
        **{name: raw[name] for name in ("carrier", "tailnum", "origin", "dest")},
        "origin_id": np.searchsorted(origins, raw["origin"]),
        "carrier_id": np.searchsorted(carriers, raw["carrier"]),
        "dest_id": np.searchsorted(dests, raw["dest"]),
        "route_id": np.unique(route, return_inverse=True)[1],
        "number_id": np.unique(number, return_inverse=True)[1],
        "late": ~(arr_delay <= LATE_MIN),
        "label_at": np.where(np.isfinite(arr_delay), landed_at, np.maximum(due_at, sched)),
        "dep_late": ~(dep_delay <= LATE_MIN),
        "departed_at": departed_at,
        "departure_known_at": np.minimum(departed_at, sched + LATE_MIN * 60),
    }


def clean_weather(raw: Columns) -> Columns:
    """One row per station and hour, each gap of a reading filled from the last one within twelve hours."""
    order = np.lexsort((raw["hour"], raw["origin"]))
    origin, hour = raw["origin"][order], raw["hour"][order]
    filled = {name: _fill_forward(raw[name][order], origin, hour) for name in WEATHER}
    keep = np.ones(len(order), dtype=bool)
    keep[1:] = (origin[1:] != origin[:-1]) | (hour[1:] != hour[:-1])
    station = np.array([STATIONS[name] for name in ORIGINS])[np.searchsorted(ORIGINS, origin)]
    table: dict[str, NDArray[Any]] = {"origin": origin, "station": station, "hour": hour, **filled}
    return {name: values[keep] for name, values in table.items()}


def _fill_forward(
    values: NDArray[np.float64], origin: NDArray[np.str_], hour: NDArray[np.int64]
) -> NDArray[np.float64]:
    place = np.arange(len(values))
    last = np.maximum.accumulate(np.where(np.isfinite(values), place, 0))
    usable = (origin[last] == origin) & (hour - hour[last] <= _FILL_HOURS)
    return np.where(usable, values[last], np.nan)


def clean_planes(raw: Columns) -> Columns:
    """Aircraft by tail number; years before powered flight are typing errors and become missing."""
    return {**raw, "year": np.where(raw["year"] > 1903, raw["year"], np.nan)}


def offers(flights: Columns, first_hour: int, end_hour: int) -> Columns:
    """The rows (flight index, hour) of the flights that may be offered in the hours [first_hour, end_hour)."""
    departure_hour = flights["sched_dep"] // HOUR_S
    near = np.flatnonzero((departure_hour >= first_hour) & (departure_hour < end_hour + LEADS_H))
    flight = np.repeat(near, LEADS_H)
    hour = departure_hour[flight] - np.tile(np.arange(LEADS_H, 0, -1), len(near))
    inside = (hour >= first_hour) & (hour < end_hour)
    return {"flight": flight[inside], "hour": hour[inside]}


def join_weather_v1(rows: Columns, flights: Columns, weather: Columns) -> Columns:
    """The weather at the origin in the hour of the row, joined on the airport code; NaN where there is no reading."""
    return _weather_of(flights["origin"][rows["flight"]], rows["hour"], weather["origin"], weather)


def join_weather_v2(rows: Columns, flights: Columns, weather: Columns, stations: Mapping[str, str]) -> Columns:
    """The same joined on the station code, after `stations` has turned airports into stations.

    An airport that is not in `stations` finds no weather: its rows get NaN in every reading.
    """
    origin = flights["origin"][rows["flight"]]
    station = np.array([stations.get(name, "") for name in ORIGINS])[np.searchsorted(ORIGINS, origin)]
    return _weather_of(station, rows["hour"], weather["station"], weather)


def _weather_of(
    place: NDArray[np.str_], hour: NDArray[np.int64], places: NDArray[np.str_], weather: Columns
) -> dict[str, NDArray[Any]]:
    """Readings by (place, hour); `places` and the hours of `weather` are sorted together."""
    if not len(places):
        return {name: np.full(len(place), np.nan) for name in WEATHER}
    codes = np.unique(places)
    wanted = np.searchsorted(codes, place) * (1 << 34) + hour
    there = np.searchsorted(codes, places) * (1 << 34) + weather["hour"]
    row = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    found = (places[row] == place) & (weather["hour"][row] == hour)
    return {name: np.where(found, weather[name][row], np.nan) for name in WEATHER}


def join_aircraft(rows: Columns, flights: Columns, planes: Columns) -> Columns:
    """Age (years in 2013) and seats of the aircraft of the row's flight; NaN where the registry lacks the tail."""
    tail = flights["tailnum"][rows["flight"]]
    place = np.minimum(np.searchsorted(planes["tailnum"], tail), rows_of(planes) - 1)
    found = planes["tailnum"][place] == tail
    return {
        "plane_age": np.where(found, 2013.0 - planes["year"][place], np.nan),
        "seats": np.where(found, planes["seats"][place], np.nan),
    }


def build_history(rows: Columns, history: History) -> Columns:
    """What was known of carrier, airports and tail at the top of the row's hour."""
    return history.at(rows["flight"], rows["hour"])


def assemble(rows: Columns, flights: Columns, weather: Columns, aircraft: Columns, history: Columns) -> Columns:
    """The table of serving features: schedule, weather, aircraft and history side by side, missing values as NaN."""
    flight = rows["flight"]
    schedule: dict[str, NDArray[Any]] = {
        "sched_hour": flights["sched_hour"][flight].astype(np.float64),
        "distance": flights["distance"][flight].astype(np.float64),
        "lead_h": flights["sched_dep"][flight] / HOUR_S - rows["hour"],
        "origin": flights["origin_id"][flight],
        "carrier": flights["carrier_id"][flight],
        "dest": flights["dest_id"][flight],
        "weekday": (flights["day"][flight] + 3) % 7,  # day 0 of 1970 was a Thursday; Monday is 0
    }
    return {**schedule, **weather, **aircraft, **history}
