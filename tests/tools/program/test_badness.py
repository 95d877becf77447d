"""What counts as bad, in every number type that weights and activations come in."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.program.badness import Badness

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_non_finite_element_is_found_in_its_place(kind: torch.dtype, value: float) -> None:
    numbers = torch.zeros(4, 3)
    numbers[2, 1] = value
    tensor = numbers.to(kind)
    if torch.isfinite(tensor.float()).all():
        pytest.skip(f"{kind} cannot hold {value}")
    bad = Badness()
    assert bad.judges("v", tensor)
    assert bad.anywhere("v", tensor)
    assert bad.perhaps("v", tensor)
    assert bad.by_row("v", tensor).tolist() == [False, False, True, False]
    assert bad.elements("v", tensor).nonzero().tolist() == [[2, 1]]


@pytest.mark.parametrize("kind", FLOATS)
def test_the_largest_finite_numbers_are_good_although_their_sum_is_infinite(kind: torch.dtype) -> None:
    tensor = torch.full((4, 3), torch.finfo(kind).max, dtype=kind)
    bad = Badness()
    assert not bad.anywhere("v", tensor)
    assert not bad.by_row("v", tensor).any()
    assert not bad.elements("v", tensor).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), min_size=1, max_size=6), st.floats(0, 1e6))
def test_the_three_ways_of_asking_agree(rows: list[list[float]], limit: float) -> None:
    tensor = torch.tensor(rows)
    for bad in (Badness(), Badness("extreme", {"v": (-limit, limit)})):
        elements = bad.elements("v", tensor)
        low, high = (-limit, limit) if bad.limits else (-math.inf, math.inf)
        expected = [[not (math.isfinite(x) and low <= x <= high) for x in row] for row in tensor.tolist()]
        assert elements.tolist() == expected
        assert bad.by_row("v", tensor).tolist() == elements.any(1).tolist()
        assert bad.anywhere("v", tensor) == bool(elements.any())
        assert bad.perhaps("v", tensor) >= bool(elements.any())


def test_a_limit_is_not_rounded_to_a_short_type() -> None:
    bad = Badness("extreme", {"v": (-70000.0, 70000.0)})  # beyond what float16 holds
    tensor = torch.tensor([[1.0], [math.inf]], dtype=torch.float16)
    assert bad.by_row("v", tensor).tolist() == [False, True]
    assert bad.elements("v", tensor).flatten().tolist() == [False, True]


def test_what_is_not_judged() -> None:
    assert not Badness().judges("v", torch.tensor([1, 2]))
    assert not Badness().judges("v", torch.tensor([True]))
    assert not Badness().judges("v", 3.0)
    assert not Badness("extreme", {"w": (0.0, 1.0)}).judges("v", torch.tensor([1.0]))
    assert Badness().judges("v", torch.tensor([1j]))
    assert Badness().by_row("v", torch.tensor([[1j], [complex(math.nan, 0)]])).tolist() == [False, True]


def test_nothing_is_bad_of_nothing() -> None:
    for shape in ((0, 3), (3, 0)):
        assert not Badness().anywhere("v", torch.zeros(shape))
        assert Badness().by_row("v", torch.zeros(shape)).tolist() == [False] * shape[0]
