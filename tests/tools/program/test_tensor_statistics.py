"""Both tiers of statistics against numpy's on the tensors themselves."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.tools import walked
from tests.tools.program.exported import export
from tools.program.description import LEVELS, describe
from tools.program.graph import Node, Program
from tools.program.interpreter import Interpreter
from tools.program.second_tier import MOST_SAMPLED, SecondTier
from tools.program.tensor_statistics import CHUNK, FirstTier, Range, range_of
from tools.program.values import is_view, output_names

ODD = [0.0, -0.0, math.nan, math.inf, -math.inf, 1e30, -1e30, 1e-40]


class Everything(nn.Module):
    """Joins, views, several outputs, integers, booleans, half precision and complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(9, width) for width in (2, 3, 2))

    def forward(self, dense: Tensor, ids: Tensor) -> tuple[Tensor, ...]:
        looked_up = [table(ids[:, at]) for at, table in enumerate(self.tables)]
        joined = torch.cat([dense, *looked_up], 1)
        again = torch.cat([looked_up[0], torch.relu(joined)], -1)
        stacked = torch.stack([looked_up[0], looked_up[2], looked_up[0] * looked_up[2]], 1)
        parts = torch.split(joined, 4, 1)
        values, places = torch.topk(joined, 2, dim=1)
        half = (joined.half() * 3).float()
        rotated = torch.fft.fft(joined, dim=1)
        return again, stacked.sum(2), parts[0] * 2, values, places, (joined > 0).sum(1), half, rotated.abs()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Program:
    torch.manual_seed(0)
    inputs = (torch.rand(5, 4), torch.randint(0, 9, (5, 3)))
    return export(Everything().eval(), inputs, tmp_path_factory.mktemp("exported"))


def kept(program: Program, inputs: tuple[Tensor, ...]) -> dict[str, np.ndarray]:
    """Every tensor that is no view, as it was computed."""
    found: dict[str, np.ndarray] = {}

    def watch(node: Node, result: Any) -> None:
        for name, value in zip(output_names(node), result if isinstance(result, tuple) else (result,), strict=False):
            if name is not None and isinstance(value, Tensor) and not is_view(node) and value.numel():
                value = torch.view_as_real(value) if value.is_complex() else value
                found[name] = value.clone().numpy()

    Interpreter(program).run(inputs, watch=watch)
    return found


def ranges(program: Program, inputs: tuple[Tensor, ...]) -> dict[str, Range]:
    tier = FirstTier(program)
    Interpreter(program).run(inputs, watch=tier)
    return tier.ranges()


def same(found: Range, value: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        wide = value.astype(np.float64)
        assert found.elements == value.size
        assert found.non_finite == (not np.isfinite(wide).all())
        np.testing.assert_array_equal((found.low, found.high), (wide.min(), wide.max()))
        if not found.non_finite and np.abs(wide).sum() < 1e30:
            assert found.total == pytest.approx(wide.sum(), rel=1e-4, abs=1e-4 * np.abs(wide).sum())


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.one_of(st.floats(-100, 100, width=32), st.sampled_from(ODD)), min_size=1, max_size=40),
    seed=st.integers(0, 5),
)
def test_the_first_tier_equals_numpy_on_every_tensor(everything: Program, values: list[float], seed: int) -> None:
    rows = -(-len(values) // 4)
    dense = torch.tensor([*values, *[0.5] * (rows * 4 - len(values))]).reshape(rows, 4)
    if rows < 2:
        dense = dense.repeat(2, 1)
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, 9, (len(dense), 3)))
    wanted, found = kept(everything, (dense, ids)), ranges(everything, (dense, ids))
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        same(found[name], value)


@pytest.mark.parametrize("model", walked.MODELS)
def test_of_a_model_with_large_values_too(model: str) -> None:
    line = walked.line(model, 3, seed=1)
    dense, ids = line.rows(1, 4096)
    inputs = (torch.from_numpy(dense.astype(np.float32)), torch.from_numpy(ids))
    wanted, found = kept(line.program, inputs), ranges(line.program, inputs)
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        same(found[name], value)


@pytest.mark.parametrize(
    "kind", [torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.bool, torch.complex64]
)
def test_any_type_has_a_range(kind: torch.dtype) -> None:
    value = torch.tensor([0, 1, 1, 0]).to(kind)
    found = range_of(value)
    assert found is not None
    assert (found.low, found.high, found.total, found.non_finite) == (0, 1, 2, False)
    assert range_of(value[:0]) is None


def test_more_than_a_piece_at_a_time_and_strided_ones() -> None:
    generator = torch.Generator().manual_seed(1)
    value = torch.randn(3, CHUNK // 2 + 7, generator=generator)
    for each in (value, value.T):
        found = range_of(each)
        assert found is not None
        same(found, each.numpy())
    value[2, -1] = torch.nan
    found = range_of(value)
    assert found is not None
    assert found.non_finite
    assert math.isnan(found.largest)


def test_the_sum_of_half_precision_does_not_overflow() -> None:
    found = range_of(torch.full((70_000,), 1.0, dtype=torch.float16))
    assert found is not None
    assert found.total == 70_000


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.one_of(st.floats(-100, 100, width=32), st.sampled_from(ODD[:7])), min_size=1, max_size=60),
    columns=st.integers(1, 5),
)
def test_the_second_tier_equals_numpy(values: list[float], columns: int) -> None:
    rows = max(1, len(values) // columns)
    array = np.resize(np.array(values, dtype=np.float32), (rows, columns))
    found = describe(torch.from_numpy(array))
    finite = array[np.isfinite(array)].astype(np.float64)
    assert (found.elements, found.nan, found.infinite) == (array.size, np.isnan(array).sum(), np.isinf(array).sum())
    if not len(finite):
        assert math.isnan(found.mean)
        assert math.isnan(found.quantiles[0])
        return
    assert found.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-9 * np.abs(finite).max())
    assert found.std == pytest.approx(finite.std(), rel=1e-6, abs=1e-7 * np.abs(finite).max())
    assert (found.low, found.high) == (finite.min(), finite.max())
    assert found.zeros == (finite == 0).mean()
    assert found.quantiles == pytest.approx(np.quantile(finite, LEVELS), rel=1e-9, abs=1e-9 * np.abs(finite).max())
    for at in range(columns):
        channel = array[:, at][np.isfinite(array[:, at])].astype(np.float64)
        assert found.channels.non_finite[at] == rows - len(channel)
        if len(channel):
            assert found.channels.mean[at] == pytest.approx(channel.mean(), abs=1e-9 * np.abs(channel).max())
            assert found.channels.std[at] == pytest.approx(channel.std(), abs=1e-7 * np.abs(channel).max())
            assert (found.channels.low[at], found.channels.high[at]) == (channel.min(), channel.max())


def test_spreads_that_single_precision_loses() -> None:
    """A sum of squares in single precision overflows at 1e20, and cancels to nothing at 1 + 1e-4 * noise."""
    noise = np.random.default_rng(0).normal(size=4000)
    beside = (1000 + 1e-2 * noise).astype(np.float32)
    assert describe(torch.from_numpy(beside)).std == pytest.approx(beside.astype(np.float64).std(), rel=1e-9)
    large = (1e20 * noise).astype(np.float32)
    assert describe(torch.from_numpy(large)).std == pytest.approx(large.astype(np.float64).std(), rel=1e-9)


def test_channels_of_images_are_planes() -> None:
    image = torch.zeros(2, 3, 4, 4)
    image[:, 1] = 5
    assert describe(image).channels.mean.tolist() == [0, 5, 0]


@pytest.mark.parametrize("everything_too", [False, True])
def test_the_second_tier_of_a_run_equals_numpy(everything: Program, everything_too: bool) -> None:
    """Joined values and integers too. Of 300 rows each value has few enough elements to be sampled whole, or not."""
    generator = torch.Generator().manual_seed(3)
    dense = 100 + torch.randn(300, 4, generator=generator)
    inputs = (dense, torch.randint(0, 9, (300, 3), generator=generator))
    tier = SecondTier(everything, everything_too)
    Interpreter(everything).run(inputs, watch=tier)
    found, wanted = tier.statistics(tier.ranges()), kept(everything, inputs)
    relus = {name for node in everything.nodes if "relu" in node.operator for name in output_names(node)}
    assert set(found) == (
        set(wanted) - {"fft_fft"} if everything_too else relus
    )  # complex ones are left to the first tier
    for name, statistics in found.items():
        value = wanted[name].astype(np.float64)
        assert statistics.elements == value.size
        assert statistics.zeros == pytest.approx((value == 0).mean())
        assert statistics.mean == pytest.approx(value.mean(), rel=1e-5)
        assert statistics.std == pytest.approx(value.std(), rel=1e-4, abs=1e-4)
        if value.size <= MOST_SAMPLED:
            assert statistics.quantiles == pytest.approx(np.quantile(value, LEVELS), rel=1e-6)
        else:
            assert statistics.sampled <= MOST_SAMPLED
            assert value.min() <= statistics.quantiles[0] <= statistics.quantiles[-1] <= value.max()


def test_channels_of_a_run_equal_those_of_the_exact_description() -> None:
    line = walked.line("dlrm", 3, seed=1)
    dense, ids = line.rows(1, 200)
    inputs = (torch.from_numpy(dense.astype(np.float32)), torch.from_numpy(ids))
    tier = SecondTier(line.program, everything=True)
    Interpreter(line.program).run(inputs, watch=tier)
    found, wanted = tier.statistics(tier.ranges()), kept(line.program, inputs)
    for name in ("linear", "relu", "embedding"):
        exact = describe(torch.from_numpy(wanted[name])).channels
        np.testing.assert_allclose(found[name].channels.mean, exact.mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[name].channels.std, exact.std, rtol=1e-3, atol=1e-5)
