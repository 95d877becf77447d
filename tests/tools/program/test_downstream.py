"""What moves predictions and by how much, and where badness starts and ends in a graph."""

import numpy as np
import pytest
import torch

from tools.program.bad_rows import non_finite_rows
from tools.program.downstream import bootstrap_mean, effect, hold, wilson
from tools.program.graph import InputTensor, Node, Program, Ref
from tools.program.healing import ends, starts

NAN = torch.nan


def test_rows_that_move_or_were_no_numbers() -> None:
    before = {"p": torch.tensor([0.1, NAN, 0.9, 0.2]), "aside": torch.tensor([1, 2, 3, 4])}
    after = {"p": torch.tensor([0.1, 0.5, 0.1, 0.2001]), "aside": torch.tensor([1, 2, 3, 4])}
    found = effect(before, after, 4, "x", "y")
    assert found is not None
    assert (found.moved, found.non_finite, found.output) == (2, 1, "p")
    assert found.spoiled.tolist() == [False, True, True, False]
    assert found.share.value == 0.5
    assert found.share.low < 0.5 < found.share.high
    assert found.change is not None
    assert found.change.value == pytest.approx(0.8001 / 3, abs=1e-6)
    assert found.change.low <= found.change.value <= found.change.high


def test_nothing_moves_and_nothing_has_rows() -> None:
    same = {"p": torch.tensor([0.5, 0.5])}
    found = effect(same, same, 2, "x", "y")
    assert found is not None
    assert (found.moved, found.share.low) == (0, 0)
    assert effect({"loss": torch.tensor(1.0)}, {"loss": torch.tensor(2.0)}, 2, "x", "y") is None


def test_an_output_without_rows_is_bad_for_all() -> None:
    assert non_finite_rows({"loss": torch.tensor(NAN)}, 3).all()
    assert non_finite_rows({"p": torch.tensor([[1.0, NAN], [1.0, 1.0]])}, 2).tolist() == [True, False]


def test_wilson_as_published() -> None:
    """Newcombe 1998, table I: 15 of 148 and 0 of 20."""
    found = wilson(15, 148)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0624, 0.1605)
    assert (wilson(0, 20).low, round(wilson(0, 20).high, 4)) == (0.0, 0.1611)
    assert wilson(20, 20).high == 1.0


def test_the_bootstrap_covers_a_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    found = [bootstrap_mean(rng.exponential(size=100)) for _ in range(200)]
    covered = [interval is not None and interval.low <= 1 <= interval.high for interval in found]
    assert np.mean(covered) > 0.88
    assert bootstrap_mean(np.array([])) is None


def test_values_are_held_and_nan_is_put_in_the_middle() -> None:
    value = torch.tensor([NAN, torch.inf, -torch.inf, 0.5, 9.0])
    assert hold(value, 0, 4).tolist() == [2, 4, 0, 0.5, 4]
    assert hold(value, 0, 4, middle=1).tolist()[0] == 1


def node(index: int, name: str, *reads: str) -> Node:
    return Node(index, name, "aten.add.Tensor", tuple(Ref(each) for each in reads), {}, (name,))


def test_where_badness_starts_and_ends() -> None:
    """x → a → b → c → out, with a side branch d of a that no output reads, and a view between b and c."""
    program = Program(
        nodes=(
            node(0, "a", "x"),
            node(1, "d", "a"),
            node(2, "view", "a"),
            node(3, "b", "view"),
            node(4, "out", "b", "y"),
        ),
        inputs=(InputTensor("x", "float32", (None,)), InputTensor("y", "float32", (None,))),
        outputs=("out",),
        weights={},
        weight_names={},
    )
    assert (starts(program, ["a", "b", "d"]), ends(program, ["a", "b", "d"])) == (("a",), ("b",))
    assert (starts(program, ["x", "b", "y"]), ends(program, ["x", "b", "y"])) == (("x", "y"), ("y", "b"))
    assert ends(program, ["d"]) == ()
