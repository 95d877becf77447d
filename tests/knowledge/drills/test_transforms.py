from functools import partial

import numpy as np
import pytest

from knowledge.drills import transforms
from knowledge.drills.calendar import day_of
from knowledge.drills.flights import Columns, RawTables, take
from knowledge.drills.history import HOUR_S, History
from knowledge.drills.transforms import ORIGINS, STATIONS, WEATHER

DAY = day_of(2013, 3, 8)


def cleaned(raw: RawTables, flights: Columns) -> Columns:
    names = (np.unique(raw.flights[name]) for name in ("origin", "carrier", "dest"))
    return transforms.clean_flights(flights, *names)


@pytest.fixture(scope="module")
def some(raw: RawTables) -> Columns:
    days = raw.flights["day"]
    return take(raw.flights, (days >= DAY - 3) & (days <= DAY))


def features(raw: RawTables, some: Columns, hour: int) -> Columns:
    flights = cleaned(raw, some)
    rows = transforms.offers(flights, hour, hour + 1)
    weather = transforms.join_weather_v1(rows, flights, transforms.clean_weather(raw.weather))
    aircraft = transforms.join_aircraft(rows, flights, transforms.clean_planes(raw.planes))
    history = transforms.build_history(rows, History(flights))
    return transforms.assemble(rows, flights, weather, aircraft, history)


def test_features_do_not_know_the_future(raw: RawTables, some: Columns) -> None:
    """Whatever happens after the hour, the features of the hour stay as they are."""
    hour = DAY * 24 + 18
    left = some["sched_dep"] + np.nan_to_num(some["dep_delay"], nan=np.inf) * 60
    landed = left + np.nan_to_num(some["air_time"], nan=np.inf) * 60
    other = dict(some)
    # Those that have left keep their departure, those that have landed their arrival; all else turns out differently.
    still_here = left > hour * HOUR_S
    overdue = still_here & (some["sched_dep"] + transforms.LATE_MIN * 60 <= hour * HOUR_S)
    other["dep_delay"] = np.where(still_here, np.where(overdue, 600.0, 400.0), some["dep_delay"])
    other["air_time"] = np.where(landed > hour * HOUR_S, 900.0, some["air_time"])
    other["arr_delay"] = np.where(landed > hour * HOUR_S, 500.0, some["arr_delay"])
    due = some["sched_dep"] + ((30 + some["distance"] / 7.5) * 60).astype(np.int64)
    cancelled_by_then = ~np.isfinite(some["arr_delay"]) & (due <= hour * HOUR_S)
    for name in ("dep_delay", "air_time", "arr_delay"):
        other[name] = np.where(cancelled_by_then, some[name], other[name])
    assert (other["arr_delay"] != some["arr_delay"]).sum() > 300
    before, after = features(raw, some, hour), features(raw, other, hour)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def test_offers_are_the_four_hours_before_departure(raw: RawTables, some: Columns) -> None:
    flights = cleaned(raw, some)
    rows = transforms.offers(flights, DAY * 24, DAY * 24 + 30)
    lead_s = flights["sched_dep"][rows["flight"]] - rows["hour"] * HOUR_S
    assert lead_s.min() >= HOUR_S
    assert lead_s.max() < 5 * HOUR_S


@pytest.mark.parametrize("lost", ORIGINS)
def test_the_second_weather_join_loses_exactly_the_origin_that_its_mapping_lacks(
    raw: RawTables, some: Columns, lost: str
) -> None:
    flights, weather = cleaned(raw, some), transforms.clean_weather(raw.weather)
    rows = transforms.offers(flights, DAY * 24 + 12, DAY * 24 + 18)
    mapping = {origin: station for origin, station in STATIONS.items() if origin != lost}
    first = transforms.join_weather_v1(rows, flights, weather)
    second = partial(transforms.join_weather_v2, stations=mapping)(rows, flights, weather)
    here = flights["origin"][rows["flight"]] == lost
    assert here.any()
    for name in WEATHER:
        assert np.isnan(second[name][here]).all()
        np.testing.assert_array_equal(second[name][~here], first[name][~here])
        assert np.isfinite(first[name]).mean() > 0.9


def test_no_reading_at_all_gives_nulls_and_not_a_failure(raw: RawTables, some: Columns) -> None:
    flights = cleaned(raw, some)
    nothing = take(transforms.clean_weather(raw.weather), np.zeros(0, dtype=np.int64))
    rows = transforms.offers(flights, DAY * 24 + 12, DAY * 24 + 13)
    assert np.isnan(transforms.join_weather_v1(rows, flights, nothing)["temp"]).all()


def test_a_flight_is_late_after_fifteen_minutes_cancelled_or_diverted(raw: RawTables, some: Columns) -> None:
    flights = cleaned(raw, some)
    np.testing.assert_array_equal(flights["late"], ~(some["arr_delay"] <= 15))
    assert flights["late"][np.isnan(some["arr_delay"])].all()
    assert (flights["label_at"] > some["sched_dep"]).mean() > 0.99
    assert (flights["departure_known_at"] <= some["sched_dep"] + 15 * 60).all()


def test_gaps_in_a_reading_are_filled_from_the_same_station_for_twelve_hours_only(raw: RawTables) -> None:
    weather = {name: values[:40].copy() for name, values in raw.weather.items()}
    weather["origin"][:] = "EWR"
    weather["hour"] = np.arange(40)
    weather["pressure"] = np.where(np.arange(40) == 3, 1000.0, np.nan)
    filled = transforms.clean_weather(weather)["pressure"]
    assert np.isnan(filled[:3]).all()
    assert (filled[3:16] == 1000.0).all()
    assert np.isnan(filled[16:]).all()
