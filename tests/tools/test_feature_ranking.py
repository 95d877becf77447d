"""Planted breaks are found with their hour and their source; nothing else is accused, whatever the weather does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tools.served import BASELINE, DAYS, FROM, START, WINDOW, Break, folded, ports, served
from tools.contract import Finding, Status
from tools.feature_ranking import TOOL, FeatureRankingParams
from tools.records import Window
from tools.stats.profile import PREDICTION, Profile

ONSET = START + timedelta(hours=FROM)
Columns = NDArray[np.float64]


def answer(profiles: list[Profile], window: Window = WINDOW, baseline: Window = BASELINE) -> Finding:
    params = FeatureRankingParams(model="badge_dcn", window=window, baseline=baseline)
    finding = TOOL.run(params, ports(profiles))
    assert Finding.model_validate_json(finding.model_dump_json()) == finding or "NaN" in finding.model_dump_json()
    return finding


def since(finding: Finding) -> datetime:
    assert finding.result is not None
    return datetime.fromisoformat(finding.result["features"][0]["since"])


def nulls(columns: Columns, hour: NDArray[np.int64]) -> None:
    third = np.arange(len(hour)) % 3 == 0
    columns[np.ix_((hour >= FROM) & third, [0, 1, 2])] = np.nan


def constant(columns: Columns, hour: NDArray[np.int64]) -> None:
    columns[hour >= FROM, 3] = 5.0


def scale(columns: Columns, hour: NDArray[np.int64]) -> None:
    columns[hour >= FROM, 2] *= 1000


def infinite(columns: Columns, hour: NDArray[np.int64]) -> None:
    columns[(hour >= FROM) & (np.arange(len(hour)) % 10 == 0), 1] = np.inf


@pytest.mark.parametrize(
    ("plant", "change", "feature", "size"),
    [(nulls, "nulls", "f000", 3), (constant, "constant", "f003", 1), (scale, "scale", "f002", 1),
     (infinite, "non_finite", "f001", 1)],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_break_is_accused_with_its_hour_and_source(
    plant: Callable[[Columns, NDArray[np.int64]], None], change: str, feature: str, size: int, seed: int
) -> None:
    finding = answer(served(12, seed, plant))
    facts = finding.facts
    assert finding.status is Status.answered
    assert (facts["broken"], facts["change"], facts["suspects"], facts["group_size"]) == (True, change, size, size)
    if change == "nulls":
        assert facts["feature"] in {"f000", "f001", "f002"}
    else:
        assert facts["feature"] == feature
    assert facts["node"] == "flights:weather_joined"
    assert facts["column"] == str(facts["feature"]).upper()
    assert abs(since(finding) - ONSET) <= timedelta(hours=1)
    assert isinstance(facts["confidence"], float)
    assert facts["confidence"] > 0.9
    assert finding.charts[0].mark is not None
    assert finding.evidence[0].bearing == "for"
    assert all(item.sources for item in finding.evidence)


def restless(columns: Columns, hour: NDArray[np.int64]) -> None:
    """Nulls that come and go by the day, by the same red noise as the values, and heavy tails."""
    share = 1 / (1 + np.exp(3 - np.roll(columns[:, :100], 7, axis=1)[:: len(hour) // 22][hour // 24 % 22] + 5))
    columns[:, :100][np.random.default_rng(0).random((len(hour), 100)) < share] = np.nan
    columns[:, 150:199] = np.exp(2 * columns[:, 150:199])


@pytest.mark.parametrize("plant", [None, restless])
def test_two_hundred_autocorrelated_features_are_not_accused(plant: Break | None) -> None:
    accused = [seed for seed in range(3) if answer(served(200, seed, plant, per_hour=3)).facts["broken"]]
    assert not accused


def weather(columns: Columns, hour: NDArray[np.int64]) -> None:
    """A storm: rain where it is nearly always dry, four features far from where they ever were; gusts hardly known."""
    rng = np.random.default_rng(5)
    wet = (hour // 24) % 11 == 10
    columns[:, 0] = np.where(wet, rng.gamma(1.0, 0.05, len(hour)), 0.0)
    columns[hour >= FROM, 0] = rng.gamma(1.0, 0.15, int((hour >= FROM).sum()))
    columns[hour >= FROM, 1:5] += 4.0
    columns[rng.random(len(hour)) < 0.8, 5] = np.nan


@pytest.mark.parametrize("seed", range(5))
def test_a_storm_shifts_and_breaks_nothing(seed: int) -> None:
    finding = answer(served(12, seed, weather))
    assert finding.facts["broken"] is False
    assert finding.facts["change"] == "shift"
    assert isinstance(finding.facts["shifted"], int)
    assert finding.facts["shifted"] >= 1
    assert finding.ruled_out


def test_a_dry_day_and_a_feature_that_never_varied_are_not_broken() -> None:
    def dry(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[:, 0] = np.where((hour // 24) % 6 == 2, np.abs(columns[:, 0]), 0.0)
        columns[:, 1] = 7.0

    assert answer(served(6, 1, dry)).facts["broken"] is False


def test_readings_that_are_missing_for_hours_are_not_a_break_where_that_happens_or_once_it_is_over() -> None:
    def gaps(columns: Columns, hour: NDArray[np.int64]) -> None:
        for day in (3, 9, 15):
            columns[(hour >= day * 24 + 13) & (hour < day * 24 + 20), 0] = np.nan
        columns[(hour >= FROM) & (hour < FROM + 6), 0] = np.nan
        columns[(hour >= FROM) & (hour < FROM + 3), 1] = np.nan

    finding = answer(served(6, 1, gaps))
    assert finding.facts["broken"] is False
    assert any("gap that has closed" in item.claim for item in finding.evidence if "f001" in item.claim)


@pytest.mark.parametrize(
    ("plant", "change"), [(nulls, "nulls"), (scale, "scale"), (constant, "constant"), (infinite, "non_finite")]
)
def test_a_break_that_is_older_than_the_window_is_no_precedent_for_itself(
    plant: Callable[[Columns, NDArray[np.int64]], None], change: str
) -> None:
    """Its first hours lie in the baseline, where they are as bad as those of the window."""
    window = Window(start=WINDOW.end - timedelta(hours=6), end=WINDOW.end)
    assert window.start - ONSET >= timedelta(hours=5)

    def also_once(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[hour == 100, 0] = np.nan
        plant(columns, hour)

    finding = answer(served(12, 5, also_once), window, Window(start=BASELINE.start, end=window.start))
    assert (finding.facts["broken"], finding.facts["change"]) == (True, change)


def test_a_break_that_the_few_samples_of_the_night_do_not_have_goes_on() -> None:
    """As where one airport lacks its weather, and has no flights at night."""
    rng = np.random.default_rng(7)
    hour = np.repeat(np.arange(DAYS * 24), np.where(np.arange(DAYS * 24) % 24 < 20, 40, 4))
    columns = 5.0 + rng.normal(0, 1, (len(hour), 3))
    columns[(hour >= FROM) & (hour % 24 < 20) & (np.arange(len(hour)) % 3 == 0), 0] = np.nan
    facts = answer(folded(columns, hour, ("f000", "f001", PREDICTION))).facts
    assert (facts["broken"], facts["change"], facts["feature"]) == (True, "nulls", "f000")


def test_categories_that_nobody_has_seen_are_a_break() -> None:
    rng = np.random.default_rng(3)
    hour = np.repeat(np.arange(22 * 24), 20)
    columns = np.stack(
        [rng.integers(0, 12, len(hour)).astype(float), rng.random(len(hour)), rng.random(len(hour))], axis=1
    )
    columns[(hour >= FROM) & (rng.random(len(hour)) < 0.5), 0] = 99
    finding = answer(folded(columns, hour, ("id_carrier", "x", PREDICTION)))
    assert (finding.facts["change"], finding.facts["feature"]) == ("unseen", "id_carrier")
    assert abs(since(finding) - ONSET) <= timedelta(hours=1)


def test_a_feature_of_one_window_only() -> None:
    profiles = served(4, 0)
    first = [p for p in profiles if p.window.start < ONSET]
    without = [_drop(p, "f001") for p in profiles if p.window.start >= ONSET]
    finding = answer(first + without)
    assert (finding.facts["change"], finding.facts["feature"]) == ("unseen", "f001")
    new = answer([_drop(p, "f001") for p in first] + [p for p in profiles if p.window.start >= ONSET])
    assert new.facts["broken"] is False
    assert any("f001" in line for line in new.not_checked)


def _drop(profile: Profile, feature: str) -> Profile:
    keep = [i for i, name in enumerate(profile.features) if name != feature]
    cut: dict[str, Any] = {name: part[keep] for name, part in vars(profile).items() if isinstance(part, np.ndarray)}
    return replace(profile, features=tuple(profile.features[i] for i in keep), **cut)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e38, -1e38])
def test_columns_that_always_held_one_odd_value_accuse_nobody(value: float) -> None:
    def odd(columns: Columns, _: NDArray[np.int64]) -> None:
        columns[:, :2] = value

    finding = answer(served(5, 0, odd))
    assert finding.status is Status.answered
    assert finding.facts["broken"] is False


def test_one_wild_value_is_no_change_of_scale() -> None:
    def wild(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[np.flatnonzero(hour == FROM + 1)[0], 0] = 1e38

    assert answer(served(5, 0, wild)).facts["broken"] is False


def test_too_little_says_what_is_missing() -> None:
    profiles = served(4, 0)
    nobody = TOOL.run(FeatureRankingParams(model="nobody", window=WINDOW, baseline=BASELINE), ports(profiles))
    assert (nobody.status, "nobody" in nobody.headline) == (Status.no_data, True)
    assert answer([]).status is Status.no_data
    empty = answer([p for p in profiles if p.window.start < WINDOW.start])
    assert empty.status is Status.no_data
    assert "no samples in the window" in empty.headline
    short = answer(profiles, baseline=Window(start=BASELINE.end - timedelta(days=2), end=BASELINE.end))
    assert short.status is Status.inconclusive
    assert "earlier days" in short.headline
    assert "4 days" in short.would_settle[0]
    one = served(4, 0, per_hour=1, days=22)
    single = answer([p for p in one if p.window.start < WINDOW.start or p.window.start == WINDOW.start])
    assert single.status is Status.inconclusive


def test_a_baseline_of_hours_still_shows_a_break_and_says_what_it_could_not_compare() -> None:
    window = Window(start=WINDOW.end - timedelta(hours=4), end=WINDOW.end)

    def late(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[hour >= DAYS * 24 - 4, 2] *= 1000

    finding = answer(served(4, 0, late), window, Window(start=window.start - timedelta(hours=24), end=window.start))
    assert (finding.facts["feature"], finding.facts["change"]) == ("f002", "scale")
    assert any("time of day" in line for line in finding.not_checked)


def test_profiles_on_different_edges_are_refused() -> None:
    profiles = served(3, 0, days=21) + [p for p in served(3, 1) if p.window.start >= WINDOW.start]
    finding = answer(profiles)
    assert finding.status is Status.failed
    assert "different bin edges" in finding.headline


def test_the_order_of_profiles_does_not_matter_and_the_bits_are_the_same() -> None:
    profiles = served(8, 2, nulls)
    assert answer(profiles).model_dump_json() == answer(profiles[::-1]).model_dump_json()


def distances(seed: int, change: Break) -> Finding:
    """Four features that hardly differ from day to day: two skewed ones, one about 15, one that all rows share."""
    rng = np.random.default_rng(seed)
    hour = np.repeat(np.arange(DAYS * 24), 40)
    level = 1 + 0.02 * rng.normal(size=DAYS * 24)[hour]
    shared = np.round(12 + 6 * rng.normal(size=DAYS * 24), 3)[hour]
    skewed = [rng.gamma(2.0, 300.0, len(hour)) * level, rng.lognormal(0, 0.8, len(hour)) * level]
    columns = np.stack([*skewed, rng.normal(15, 4, len(hour)) * level, shared, rng.random(len(hour))], axis=1)
    change(columns, hour)
    return answer(folded(columns, hour, ("f000", "f001", "f002", "f003", PREDICTION), 256))


@pytest.mark.parametrize(
    ("feature", "factor"), [(0, 1.609), (0, 0.4536), (1, 0.3937), (1, 2.54), (2, 1.609), (2, 0.6215)]
)
def test_another_unit_is_a_break_of_scale(feature: int, factor: float) -> None:
    def convert(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[hour >= FROM, feature] *= factor

    facts = distances(feature, convert).facts
    assert (facts["suspects"], facts["feature"], facts["change"]) == (1, f"f00{feature}", "scale")


def test_a_move_by_as_much_is_no_other_unit() -> None:
    def add(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[hour >= FROM, 2] += 9.0

    facts = distances(0, add).facts
    assert (facts["broken"], facts["change"]) == (False, "shift")


def test_a_part_of_the_values_that_is_one_and_the_same_is_stuck() -> None:
    def hang(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[(hour >= FROM) & (np.arange(len(hour)) % 3 == 0), 0] = 512.0

    finding = distances(0, hang)
    facts = finding.facts
    assert (facts["suspects"], facts["feature"], facts["change"]) == (1, "f000", "stuck")
    assert abs(since(finding) - ONSET) <= timedelta(hours=1)


def test_the_values_of_yesterday_are_delayed() -> None:
    def late(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[hour >= FROM, 3] = columns[(hour >= FROM - 24) & (hour < DAYS * 24 - 24), 3]

    finding = distances(0, late)
    facts = finding.facts
    assert (facts["suspects"], facts["feature"], facts["change"]) == (1, "f003", "delayed")
    assert abs(since(finding) - ONSET) <= timedelta(hours=1)


def test_a_calendar_and_a_rare_flag_repeat_themselves_and_are_not_broken() -> None:
    def calendar(columns: Columns, hour: NDArray[np.int64]) -> None:
        columns[:, 0], columns[:, 1] = hour % 24, np.round(10 * np.sin(hour / 24))
        columns[:, 2] = (np.random.default_rng(2).random(len(hour)) < 0.004) & (hour < FROM)

    assert distances(0, calendar).facts["broken"] is False
