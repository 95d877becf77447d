import json
from pathlib import Path

import numpy as np
import torch

from knowledge.drills.calendar import at, iso
from knowledge.drills.features import FEATURES, MODELS
from knowledge.drills.platform import Day, Platform
from knowledge.drills.practice import Practice
from knowledge.drills.serving import Impressions
from knowledge.drills.traffic import FLIGHTS_PER_PAGE, pages
from knowledge.drills.training import fresh_module, predict

Served = tuple[Platform, list[Day], Path]


def impressions(days: list[Day], day: int) -> Impressions:
    found = next(d.impressions for d in days if d.day == day)
    assert found is not None
    return found


def test_the_published_program_holds_the_weights_of_its_day(served: Served) -> None:
    platform, days, root = served
    weights = []
    for day in days:
        for published in day.published:
            program = torch.export.load(root / published.artifact)
            state = published.trained.state
            assert set(program.state_dict) == set(state)
            for name, value in state.items():
                assert torch.equal(program.state_dict[name], value), name
            weights.append(torch.cat([value.ravel() for value in state.values()]))
            module = fresh_module(published.model, platform.vocabulary.sizes, 0)
            module.load_state_dict(dict(state))
            inputs = platform.inputs[published.model].rows(np.arange(7))
            answer = program.module()(torch.from_numpy(inputs.dense), torch.from_numpy(inputs.categorical))
            np.testing.assert_allclose(answer.detach().numpy(), predict(module, inputs), rtol=1e-5)
    assert len(weights) == 8
    assert not torch.equal(weights[0], weights[2])


def test_every_snapshot_says_what_its_input_columns_are(served: Served) -> None:
    platform, _, root = served
    for model in MODELS:
        told = json.loads((root / model / f"{iso(platform.period.incident)}.features.json").read_text())
        assert [column["feature"] for column in told["inputs"]["dense"]] == list(FEATURES[model].dense)
        assert [column["feature"] for column in told["inputs"]["categorical"]] == list(FEATURES[model].categorical)
        assert all(np.isfinite(column["baseline"]) for column in told["inputs"]["dense"])


def test_a_snapshot_carries_no_example_inputs(served: Served) -> None:
    _, days, root = served
    program = torch.export.load(root / days[0].published[0].artifact)
    assert program.example_inputs is None


def test_the_better_half_of_each_page_has_the_badge(served: Served) -> None:
    platform, days, _ = served
    shown = impressions(days, platform.period.incident)
    prediction = shown.prediction.reshape(-1, FLIGHTS_PER_PAGE)
    badge = shown.badge.reshape(-1, FLIGHTS_PER_PAGE)
    assert (badge.sum(axis=1) == 3).all()
    assert (np.where(badge, prediction, -1).max(axis=1) <= np.where(badge, 2, prediction).min(axis=1)).all()


def test_every_page_shows_six_flights_one_to_four_hours_ahead(served: Served) -> None:
    platform, days, _ = served
    shown = impressions(days, platform.period.incident)
    lead_s = platform.flights["sched_dep"][shown.flight] - shown.ts
    assert lead_s.min() >= 3600
    assert lead_s.max() <= 4 * 3600
    by_page = shown.flight.reshape(-1, FLIGHTS_PER_PAGE)
    assert all(len(set(page)) == FLIGHTS_PER_PAGE for page in by_page.tolist())


def test_the_rollout_reaches_the_early_arm_first(served: Served) -> None:
    platform, days, _ = served
    day = platform.period.incident
    shown = impressions(days, day)
    new = shown.snapshot_day == day
    assert not new[shown.ts < at(day, 11)].any()
    early = shown.arm == 1
    assert new[early & (shown.ts >= at(day, 11))].all()
    assert not new[~early & (shown.ts < at(day, 15))].any()
    assert new[shown.ts >= at(day, 21)].all()


def test_nothing_is_served_after_now(served: Served) -> None:
    platform, days, _ = served
    assert max(day.impressions.ts.max() for day in days if day.impressions) < platform.period.now


def test_the_broken_join_reaches_what_badge_dcn_is_served(served: Served) -> None:
    platform, days, _ = served
    practice: Practice = platform.practice
    day = platform.period.incident
    shown = impressions(days, day)
    lost = platform.flights["origin"][shown.flight] == practice.draw("broken origin", ("EWR", "JFK", "LGA"))
    visib = platform.features.table["visib"][shown.row]
    broken = shown.ts >= at(day, 12)
    assert np.isnan(visib[lost & broken]).all()
    assert np.isfinite(visib[~lost]).mean() > 0.9
    assert np.isfinite(visib[~broken]).mean() > 0.9


def test_pages_are_the_same_for_the_same_seed_and_differ_between_days(served: Served) -> None:
    platform, _, _ = served
    day = platform.period.incident
    one, two = (pages(day, 50, platform.flights, platform.practice) for _ in range(2))
    np.testing.assert_array_equal(one.flights, two.flights)
    other = pages(day - 1, 50, platform.flights, platform.practice)
    assert len(other) != len(one) or not np.array_equal(one.user, other.user)
