"""The steps of the ladder on modules that need each of them, and what is proven before a step is taken."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from knowledge.exporting import Export, NotExportable, UnusableInputs, export
from knowledge.exporting.proof import difference
from tests.models.unexportable import Branching, FixedRows, ThroughNumpy

ROWS = (torch.randn(6, 4),)


class Counting(nn.Module):
    """`len(tensor)` is an int for Python's tracer, which fixes the rows without a word."""

    def forward(self, dense: Tensor) -> Tensor:
        return dense.sum(1) / torch.ones(len(dense), 4).sum(1)


class InPlace(nn.Module):
    def forward(self, dense: Tensor) -> Tensor:
        x = dense * 2
        x[:, 0] = 1.0
        return x.add_(1).sum(1)


class Growing(nn.Module):
    """Another path for many rows: what is exported with few of them holds for few of them."""

    def forward(self, dense: Tensor) -> Tensor:
        return dense if dense.shape[0] > 8 else dense * 2


class Drawn(nn.Module):
    def forward(self, dense: Tensor) -> Tensor:
        return dropout(dense, 0.5, training=True)


class Noisy(nn.Module):
    def forward(self, dense: Tensor) -> Tensor:
        return dense + float(np.random.default_rng().random())


def test_the_first_step_that_holds_is_taken_and_says_why_those_before_failed() -> None:
    exported = export(Counting(), ROWS)
    assert exported.step == "strict=True"
    assert exported.notes == (
        "export with strict=False failed: dimension 0 of input 'dense' was fixed at 6 instead of being left open",
        "exported with strict=True",
    )


def test_a_static_batch_is_the_last_step_and_says_its_sizes() -> None:
    exported = export(FixedRows(6), ROWS)
    assert exported.step == "static batch"
    assert exported.notes[-1] == "exported with static batch, for inputs of exactly these sizes: [6, 4]"
    assert len(exported.notes) == 3


@pytest.mark.parametrize("module", [Branching(), ThroughNumpy()], ids=["branching", "through numpy"])
def test_what_never_exports_is_told_with_every_reason_and_what_is_left(module: nn.Module) -> None:
    with pytest.raises(NotExportable) as refused:
        export(module, ROWS)
    for part in ("with strict=False failed", "with strict=True failed", "static batch failed", "setting `factories`"):
        assert part in str(refused.value)
    assert "/" not in str(refused.value).replace("and/or", "")


def test_limits_of_the_rows_are_said() -> None:
    assert export(Growing(), ROWS).notes == ("dimension 0 of input 'dense' may be 2 to 8 only",)


def test_a_model_that_draws_random_numbers_is_compared_from_one_seed_and_noted() -> None:
    state = torch.get_rng_state()
    exported = export(Drawn(), ROWS)
    assert exported.step == "strict=False"
    assert exported.notes[0].startswith("the model draws random numbers in eval mode: output 0: its values differ by")
    assert torch.equal(state, torch.get_rng_state())


def test_a_model_that_draws_elsewhere_is_refused() -> None:
    with pytest.raises(NotExportable, match="answers differently when it is run twice"):
        export(Noisy(), ROWS)


def test_the_graph_writes_nothing_in_place() -> None:
    exported = export(InPlace(), ROWS)
    calls = [node.target for node in exported.program.graph.nodes if node.op == "call_function"]
    assert calls
    assert not any(call._schema.is_mutable for call in calls if isinstance(call, torch._ops.OpOverload))


def test_a_graph_that_is_not_run_here_is_not_taken() -> None:
    class Either(nn.Module):
        def forward(self, dense: Tensor) -> Any:
            return torch.cond(dense.sum() > 0, torch.sin, torch.cos, (dense,))

    with pytest.raises(NotExportable, match=r"not run here: torch\.ops\.higher_order\.cond"):
        export(Either(), ROWS)


def test_parts_under_autocast_become_their_operators_with_the_casts_between_them() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = nn.Linear(4, 8), nn.Linear(8, 1)

        def forward(self, dense: Tensor) -> Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                hidden = torch.relu(self.hidden(dense))
            return torch.sigmoid(self.out(hidden.float()))

    exported = export(Mixed(), ROWS)
    assert exported.step == "strict=False"
    assert "aten._to_copy.default" in {str(node.target) for node in exported.program.graph.nodes}


def test_an_encoder_whose_mask_is_a_buffer_is_exported_with_open_rows() -> None:
    class Sequence(nn.Module):
        """torch looks whether the mask's numbers are those of a causal one, which no export can follow."""

        mask: Tensor

        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.register_buffer("mask", torch.triu(torch.full((5, 5), -torch.inf), 1))

        def forward(self, items: Tensor) -> Tensor:
            encoded: Tensor = self.encoder(items, mask=self.mask)
            return encoded[:, -1]

    exported = export(Sequence(), (torch.randn(6, 5, 4),))
    assert (exported.step, exported.notes) == ("strict=False", ())


def test_parts_without_gradients_and_attention_leave_a_flat_graph_of_their_operators() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)

        def forward(self, dense: Tensor) -> Tensor:
            with torch.no_grad():
                scale = dense.square().mean(1, keepdim=True)
            scaled: Tensor = self.layer((dense / scale).unsqueeze(1))
            return scaled

    exported = export(Frozen(), ROWS)
    called = {str(node.target) for node in exported.program.graph.nodes if node.op == "call_function"}
    assert "aten.scaled_dot_product_attention.default" in called
    assert not any("wrap_with" in name for name in called)


def test_the_module_is_exported_as_it_serves_and_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    module[2].eval()
    exported = export(module, ROWS)
    assert [part.training for part in module] == [True, True, False]
    runs = exported.program.module()
    torch.testing.assert_close(runs(*ROWS), runs(*ROWS))
    assert exported.program.example_inputs is None


def test_dimensions_that_differ_between_the_batches_are_left_open() -> None:
    class Sums(nn.Module):
        def forward(self, past: Tensor, table: Tensor) -> Tensor:
            return past.sum(1) * table.sum()

    exported = export(Sums(), (torch.randn(6, 5), torch.randn(6)), (torch.randn(7, 3), torch.randn(6)))
    sizes = placeholders(exported)
    assert not isinstance(sizes["past"][0], int)
    assert not isinstance(sizes["past"][1], int)
    assert sizes["table"] == [6]


def test_inputs_by_name_may_come_in_any_order() -> None:
    class Divides(nn.Module):
        def forward(self, over: Tensor, under: Tensor) -> Tensor:
            return over / under

    exported = export(Divides(), {"under": torch.ones(5, 2) * 2, "over": torch.ones(1, 2)})
    assert exported.step == "strict=False"
    sizes = placeholders(exported)
    assert sizes["over"] == [1, 2]
    assert not isinstance(sizes["under"][0], int)


@pytest.mark.parametrize(
    ("inputs", "other", "says"),
    [
        ((torch.zeros(2, 4),), None, "have 2 rows; give at least 3"),
        ((), None, "have 0 rows"),
        ((torch.zeros(5, 4),), (torch.zeros(5, 4),), "both batches have the same sizes"),
        ((torch.zeros(5, 4),), (torch.zeros(6, 4).long(),), "2 dimensions of torch.int64"),
        ((torch.zeros(5, 4),), ({"a": torch.zeros(6, 4)},), "not nested as the first one"),
    ],
)
def test_unusable_inputs_are_refused(inputs: object, other: object, says: str) -> None:
    with pytest.raises(UnusableInputs, match=says):
        export(nn.Identity(), inputs, other)  # type: ignore[arg-type]


def test_an_error_of_the_model_itself_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        export(nn.Linear(3, 1), ROWS)


@pytest.mark.parametrize(
    ("expected", "actual", "says"),
    [
        ([torch.zeros(2)], [], "1 outputs became 0"),
        ([torch.zeros(2)], [torch.zeros(3)], "float32[2] became torch.float32[3]"),
        ([torch.tensor([1.0, float("nan")])], [torch.tensor([1.0, 2.0])], "differ by up to"),
        ([torch.tensor([1e3, 1e-3])], [torch.tensor([1e3, 2.0])], "differ by up to 2"),
        ([torch.tensor([1])], [torch.tensor([2])], "its values differ"),
        ([3], [4], "3 became 4"),
    ],
)
def test_differences_are_seen(expected: list[object], actual: list[object], says: str) -> None:
    reason = difference(expected, actual)
    assert reason is not None
    assert says in reason


def test_rounding_is_no_difference() -> None:
    one = torch.tensor([1e4, 1e-3, float("nan"), float("inf")])
    assert difference([one, 3, None], [one + torch.tensor([1e-2, 1e-5, 0.0, 0.0]), 3, None]) is None
    assert difference([one.half()], [(one * 1.001).half()]) is None


def placeholders(exported: Export) -> dict[str, list[object]]:
    given = exported.program.graph_signature.user_inputs
    nodes = [node for node in exported.program.graph.nodes if node.name in given]
    return {node.name: list(node.meta["val"].shape) for node in nodes}
