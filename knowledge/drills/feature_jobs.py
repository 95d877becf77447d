"""The feature jobs: six-hourly runs of the transforms, and the tables that each run wrote."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowledge.drills import transforms
from knowledge.drills.calendar import DAY_S, HOUR_S, RUN_S
from knowledge.drills.flights import Columns, RawTables, rows_of, take
from knowledge.drills.history import History
from knowledge.drills.practice import JobCode, Practice


@dataclass(frozen=True)
class Vocabulary:
    """The ids of a categorical feature are places in these sorted names."""

    origins: NDArray[np.str_]
    carriers: NDArray[np.str_]
    dests: NDArray[np.str_]

    @property
    def sizes(self) -> dict[str, int]:
        return {"origin": len(self.origins), "carrier": len(self.carriers), "dest": len(self.dests), "weekday": 7}


@dataclass(frozen=True)
class JobRun:
    """One six-hourly run: its times (unix s), the weather join's code, and dataset name → the rows it wrote."""

    start: int
    end: int
    weather_code: JobCode
    tables: dict[str, Columns]


class FeatureJobs:
    """The feature pipeline over the days [first, last] (local days), with history from three weeks before."""

    def __init__(self, raw: RawTables, practice: Practice, first_day: int, last_day: int) -> None:
        self._practice = practice
        days = raw.flights["day"]
        self._raw = RawTables(
            take(raw.flights, (days >= first_day - 21) & (days <= last_day + 1)), raw.weather, raw.planes
        )
        self.vocabulary = Vocabulary(*(np.unique(raw.flights[name]) for name in ("origin", "carrier", "dest")))
        v = self.vocabulary
        self.flights = transforms.clean_flights(self._raw.flights, v.origins, v.carriers, v.dests)
        self._weather = transforms.clean_weather(raw.weather)
        self._planes = transforms.clean_planes(raw.planes)
        self._history = History(self.flights)
        self.start, self.end = first_day * DAY_S, (last_day + 1) * DAY_S + 2 * RUN_S

    def runs(self) -> Iterator[JobRun]:
        """Every run in order of time."""
        for start in range(self.start, self.end, RUN_S):
            yield self._run(start)

    def _run(self, start: int) -> JobRun:
        end, job = start + RUN_S, self._practice.weather_job(start)
        rows = transforms.offers(self.flights, start // HOUR_S, end // HOUR_S)
        weather = job.join(rows, self.flights, self._weather)
        aircraft = transforms.join_aircraft(rows, self.flights, self._planes)
        history = transforms.build_history(rows, self._history)
        features = transforms.assemble(rows, self.flights, weather, aircraft, history)
        departing = _between(self.flights["sched_dep"], start, end)
        observed = _between(self._weather["hour"], start // HOUR_S, end // HOUR_S)
        raw_observed = _between(self._raw.weather["hour"], start // HOUR_S, end // HOUR_S)
        keys = {"flight": rows["flight"], "hour": rows["hour"], "origin": self.flights["origin"][rows["flight"]]}
        tables: dict[str, Columns] = {
            "raw_flights": take(self._raw.flights, departing),
            "raw_weather": take(self._raw.weather, raw_observed),
            "raw_planes": self._raw.planes,
            "clean_flights": take(self.flights, departing),
            "clean_weather": take(self._weather, observed),
            "clean_planes": self._planes,
            "weather_joined": {**keys, **weather},
            "aircraft_joined": {**keys, **aircraft},
            "history": {**keys, **history},
            "serving_features": {"flight": rows["flight"], "hour": rows["hour"], **features},
        }
        return JobRun(start, end, job.code, tables)


def _between(values: NDArray[np.int64], start: int, end: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (values >= start) & (values < end)
    return inside


class ServingFeatures:
    """The serving features of all runs, looked up by flight and hour."""

    def __init__(self, flights: Columns, runs: list[JobRun]) -> None:
        tables = [run.tables["serving_features"] for run in runs]
        self.table: Columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        self._departure_hour = flights["sched_dep"] // HOUR_S
        self._place = np.full((rows_of(flights), transforms.LEADS_H), -1, dtype=np.int64)
        flight, hour = self.table["flight"], self.table["hour"]
        self._place[flight, hour - self._departure_hour[flight] + transforms.LEADS_H] = np.arange(len(flight))

    def rows(self, flight: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each flight as of the hour of `ts`; the flight must be on offer then."""
        lead = ts // HOUR_S - self._departure_hour[flight] + transforms.LEADS_H
        found: NDArray[np.int64] = self._place[flight, lead]
        if (found < 0).any():
            raise LookupError("a flight was asked for outside the days that the feature jobs ran over")
        return found
