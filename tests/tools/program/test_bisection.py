"""Bisection finds a smallest set of changes that heals, with the number of runs that it promises."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tools.program.bisection import RUN_ROWS, bisect


class Faults:
    """Cases that are bad until, of each of their groups, one change is made."""

    def __init__(self, groups: list[list[set[int]]]) -> None:
        self.groups, self.runs = groups, 0

    def spoiled(self, cases: Tensor, changes: Tensor) -> Tensor:
        self.runs += 1
        return torch.tensor(
            [
                not all(any(row[place] for place in group) for group in self.groups[case])
                for case, row in zip(cases.tolist(), changes.tolist(), strict=True)
            ],
            dtype=torch.bool,
        )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.sets(st.integers(0, 19), min_size=1, max_size=3), max_size=4), min_size=1, max_size=5))
def test_a_set_that_heals_and_of_which_nothing_can_be_spared(groups: list[list[set[int]]]) -> None:
    faults = Faults(groups)
    everything = torch.ones(len(groups), 20, dtype=torch.bool)
    chosen, bad = bisect(faults.spoiled, everything, ~everything, most=8)
    every = torch.arange(len(groups))
    assert not bad.any()
    assert not faults.spoiled(every, chosen).any()
    for case, change in chosen.nonzero().tolist():
        without = chosen[case : case + 1].clone()
        without[0, change] = False
        assert faults.spoiled(torch.tensor([case]), without).all()


@pytest.mark.parametrize("cases", [1, 3, 32, 200])
def test_one_cause_among_4000_in_few_runs(cases: int) -> None:
    truth = [[{(37 * case + 5) % 4000}] for case in range(cases)]
    faults = Faults(truth)
    everything = torch.ones(cases, 4000, dtype=torch.bool)
    chosen, bad = bisect(faults.spoiled, everything, ~everything, most=1)
    assert not bad.any()
    assert [set(row.nonzero()[:, 0].tolist()) for row in chosen] == [group for (group,) in truth]
    ways = max(1, RUN_ROWS // cases - 1)
    assert faults.runs <= 3 + math.ceil(math.log(4000, ways + 1)) + 1


def test_cases_that_no_candidate_heals_are_left_as_they_are() -> None:
    faults = Faults([[{1}, {9}], [{2}]])
    candidates = torch.zeros(2, 10, dtype=torch.bool)
    candidates[:, :5] = True
    chosen, bad = bisect(faults.spoiled, candidates, candidates & False, most=8)
    assert bad.tolist() == [True, False]
    assert chosen.nonzero().tolist() == [[1, 2]]


def test_it_stops_after_as_many_causes_as_it_may_look_for() -> None:
    faults = Faults([[{place} for place in range(6)]])
    everything = torch.ones(1, 10, dtype=torch.bool)
    chosen, bad = bisect(faults.spoiled, everything, ~everything, most=4)
    assert bad.tolist() == [True]
    assert int(chosen.sum()) == 4


def test_changes_that_are_made_already_are_kept() -> None:
    faults = Faults([[{1}, {7}]])
    made = torch.zeros(1, 10, dtype=torch.bool)
    made[0, 7] = True
    chosen, bad = bisect(faults.spoiled, ~made, made, most=4)
    assert not bad.any()
    assert chosen.nonzero()[:, 1].tolist() == [1, 7]
