"""The search against brute force, and the parts of a change."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tools.stats.combination_effects import parts
from tools.stats.combinations import Totals, ViableShare, search, share_of_drop
from tools.stats.cuboids import Leaves, cuboids, gather, text
from tools.stats.panel import encode

DIMENSIONS = ("a", "b", "c")


def leaves_of(rows: list[tuple[str, ...]], sums: np.ndarray) -> tuple[Leaves, Totals]:
    coded = {name: encode(np.array([r[i] for r in rows])) for i, name in enumerate(DIMENSIONS)}
    totals = Totals(sums.sum(1))
    return gather(coded, sums, ViableShare(totals))[0], totals


def grid(hit: dict[str, str], more: dict[str, str] | None = None) -> tuple[Leaves, Totals]:
    """All of 3 x 3 x 3 values with equal traffic and rate 0.1; 0.6 now where `hit` (or `more`) describes the row."""
    rows = list(itertools.product("xyz", repeat=3))
    named = [dict(zip(DIMENSIONS, r, strict=True)) for r in rows]
    bad = [any(c and c.items() <= r.items() for c in (hit, more)) for r in named]
    now = np.where(bad, 60.0, 10.0)
    return leaves_of(rows, np.array([now, np.full(27, 100.0), np.full(27, 50.0), np.full(27, 500.0)]))


@pytest.mark.parametrize("hit", [{"a": "x"}, {"a": "x", "c": "y"}, {"a": "x", "b": "y", "c": "z"}])
def test_the_smallest_combination_is_first(hit: dict[str, str]) -> None:
    found = search(*grid(hit))
    assert found.cause == (tuple(sorted(hit.items())),)
    assert found.ranked[0] == found.cause[0]


def test_two_values_of_one_attribute_are_the_cause_together() -> None:
    found = search(*grid({"a": "x"}, {"a": "y"}))
    assert set(found.cause) == {(("a", "x"),), (("a", "y"),)}


def test_a_second_cause_elsewhere_is_near_the_top() -> None:
    found = search(*grid({"a": "x"}, {"b": "y", "c": "z"}))
    assert found.ranked[0] == (("a", "x"),)
    assert (("b", "y"), ("c", "z")) in found.ranked[:3]


def test_nothing_is_ranked_where_nothing_got_worse() -> None:
    assert search(*grid({})).ranked == ()


def test_the_same_search_has_the_same_answer() -> None:
    assert search(*grid({"a": "x", "c": "y"})) == search(*grid({"a": "x", "c": "y"}))


def test_a_combination_reads_as_a_condition() -> None:
    assert text((("cdn", "a"), ("isp", "b"))) == "cdn=a & isp=b"


@given(hnp.arrays(np.int64, 27, elements=st.integers(0, 60)))
def test_pruned_cells_are_those_of_brute_force_with_viable_parents(now: np.ndarray) -> None:
    rows = list(itertools.product("xyz", repeat=3))
    sums = np.array([now.astype(float), np.full(27, 100.0), np.full(27, 50.0), np.full(27, 500.0)])
    leaves, totals = leaves_of(rows, sums)
    if totals.drop <= 0:
        assert cuboids(leaves, ViableShare(totals)) == ([], 0)
        return
    found = {
        c: s
        for cells in cuboids(leaves, ViableShare(totals))[0]
        for c, s in zip(cells.combinations, cells.sums.T, strict=True)
    }
    wanted: dict[tuple[tuple[str, str], ...], np.ndarray] = {}
    for order in (1, 2, 3):
        for dims in itertools.combinations(range(3), order):
            for values in itertools.product("xyz", repeat=order):
                inside = [all(r[d] == v for d, v in zip(dims, values, strict=True)) for r in rows]
                cell = sums[:, inside].sum(1)
                name = tuple((DIMENSIONS[d], v) for d, v in zip(dims, values, strict=True))
                parents = itertools.combinations(name, order - 1) if order > 1 else ()
                if share_of_drop(cell[:, None], totals)[0] >= 0.05 and all(p in wanted for p in parents):
                    wanted[name] = cell
    assert found.keys() == wanted.keys()
    assert all(np.allclose(found[name], wanted[name]) for name in wanted)


amounts = st.floats(0, 1e6).map(lambda x: round(x, 3))


@given(st.lists(amounts, min_size=4, max_size=4), st.lists(amounts, min_size=4, max_size=4))
def test_the_parts_add_up_to_the_change(group: list[float], others: list[float]) -> None:
    mine, rest = np.array(group), np.array(others)
    for at in (0, 2):  # no traffic, no events
        mine[at] *= mine[at + 1] > 0
        rest[at] *= rest[at + 1] > 0
    total = mine + rest
    if not (total[1] > 1e-3 and total[3] > 1e-3):
        return
    change = total[0] / total[1] - total[2] / total[3]
    scale = max((s[i] / s[i + 1] for s in (mine, rest) for i in (0, 2) if s[i + 1] > 0), default=1.0)
    assert sum(parts(mine, total)) == pytest.approx(change, rel=1e-6, abs=1e-6 * max(scale, 1.0))
