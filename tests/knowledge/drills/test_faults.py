import numpy as np
import pytest

from knowledge.drills.calendar import at, day_of, iso
from knowledge.drills.faults import FAULTS, UnknownFault, fault
from knowledge.drills.faults.label_corruption import LabelCorruption
from knowledge.drills.faults.learning_rate import LearningRate
from knowledge.drills.faults.traffic_mix import TrafficMix
from knowledge.drills.faults.weather_join import WeatherJoin
from knowledge.drills.flights import RawTables, take
from knowledge.drills.practice import FIRST_DAY, LAST_DAY

CAUSES = {
    "weather_join": "data.upstream_code_change",
    "learning_rate": "training.learning_rate",
    "label_corruption": "training_data.label_corruption",
    "broken_table": "snapshot.broken_weights",
    "traffic_mix": "traffic.mix_shift",
    "nothing": "none.no_fault",
    "storm": "none.real_world_shift",
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_every_fault_tells_its_truth_in_the_same_words_for_the_same_seed(name: str) -> None:
    truth = fault(name)(2).truth()
    assert truth == fault(name)(2).truth()
    assert truth.cause == CAUSES[name]
    assert bool(truth.targets) == truth.accuses
    assert truth.explanation.endswith(".")
    assert FAULTS[name].description


def test_an_unknown_fault_is_named_together_with_those_that_there_are() -> None:
    with pytest.raises(UnknownFault, match="no fault is called 'flood'; there are: weather_join, learning_rate"):
        fault("flood")


def test_the_incident_day_leaves_enough_history_and_is_the_same_whatever_is_planted() -> None:
    days = [fault("nothing")(seed).incident for seed in range(60)]
    assert min(days) >= FIRST_DAY
    assert max(days) <= LAST_DAY
    assert len(set(days)) > 40
    assert days[:5] == [fault("learning_rate")(seed).incident for seed in range(5)]


def test_storms_are_the_real_ones() -> None:
    assert [iso(fault("storm")(seed).incident) for seed in range(3)] == ["2013-02-08", "2013-02-09", "2013-03-08"]


def test_only_the_runs_from_noon_on_execute_the_changed_join() -> None:
    practice = WeatherJoin(1)
    before, after = (practice.weather_job(at(practice.incident, hour)).code for hour in (6, 12))
    assert before.version != after.version
    assert practice.weather_job(at(practice.incident - 1, 12)).code == before


def test_only_one_training_has_fifty_times_the_learning_rate() -> None:
    practice = LearningRate(1)
    other = "badge_mlp" if practice.model == "badge_dcn" else "badge_dcn"
    assert practice.learning_rate(practice.model, practice.incident, 0.01) == pytest.approx(0.5)
    assert practice.learning_rate(practice.model, practice.incident - 1, 0.01) == 0.01
    assert practice.learning_rate(other, practice.incident, 0.01) == 0.01


def test_only_one_partition_has_inverted_labels() -> None:
    practice, late = LabelCorruption(1), np.array([True, False, False])
    np.testing.assert_array_equal(practice.partition_labels(practice.model, practice.incident - 1, late), ~late)
    np.testing.assert_array_equal(practice.partition_labels(practice.model, practice.incident - 2, late), late)


def test_the_sale_draws_searches_to_riskier_flights_and_only_from_its_start(raw: RawTables) -> None:
    practice = TrafficMix(1)
    today = take(raw.flights, raw.flights["day"] == practice.incident)
    early, during = np.array([at(practice.incident, 10)]), np.array([at(practice.incident, 12)])
    assert practice.appeal(early, today) is None
    appeal = practice.appeal(during, today)
    assert appeal is not None
    assert 0.1 < (appeal[0] > 1).mean() < 0.5


def test_days_are_written_as_dates() -> None:
    assert iso(day_of(2013, 2, 8)) == "2013-02-08"
